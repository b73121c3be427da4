"""From what a scenario expects to what watches for it."""

from emulator.scenario import expectation as e
from emulator.scenario.expect_calls import CallWatch
from emulator.scenario.expect_named import AttemptsWatch, EndedWatch, MediaWatch
from emulator.scenario.expect_requests import AnswerWatch, EventWatch, FindingWatch, RequestWatch
from emulator.scenario.world import Moment, Outlook, Watch, World


def watch(world: World, expected: e.Expectation | e.Never, since: Moment, claims: bool = True) -> Watch:
    """What watches for an expectation from moment `since` on. With `claims` a call meets one expectation alone."""
    match expected:
        case e.ExpectCall(call=call, count=count) | e.NeverCall(call=call, count=count):
            return CallWatch(world, call, count, since, claims)
        case e.ExpectOptions(options=options, count=count) | e.NeverOptions(options=options, count=count):
            return RequestWatch(world, options, count, since)
        case e.ExpectRegister(register=register, count=count) | e.NeverRegister(register=register, count=count):
            return RequestWatch(world, register, count, since)
        case e.ExpectRequest(request=request, count=count) | e.NeverRequest(request=request, count=count):
            return RequestWatch(world, request, count, since)
        case e.ExpectAnswer(answer=answer, count=count) | e.NeverAnswer(answer=answer, count=count):
            return AnswerWatch(world, answer, count, since)
        case e.ExpectDns(dns=dns, count=count) | e.NeverDns(dns=dns, count=count):
            return EventWatch(world, dns, count, since)
        case e.ExpectEvent(event=event, count=count) | e.NeverEvent(event=event, count=count):
            return EventWatch(world, event, count, since)
        case e.ExpectFinding(finding=finding, count=count) | e.NeverFinding(finding=finding, count=count):
            return FindingWatch(world, finding, count, since)
        case e.ExpectMedia():
            return MediaWatch(world, expected)
        case e.ExpectAttempts():
            return AttemptsWatch(world, expected)
        case e.ExpectEnded():
            return EndedWatch(world, expected)
        case e.NeverEnded(ended=ended):
            return EndedWatch(world, e.ExpectEnded(ended=ended))
        case e.ExpectOrder(order=order):
            return OrderWatch(world, order, since)
    raise AssertionError(expected)


class OrderWatch:
    """Several happenings, each after the one before."""

    timed = True

    def __init__(self, world: World, order: tuple[e.Happening, ...], since: Moment) -> None:
        self._world = world
        self._order = order
        self._met: list[str] = []
        self._calls: dict[str, None] = {}
        self._claims: list[int] = []
        self._watch = watch(world, order[0], since, False)

    def look(self) -> Outlook:
        while True:
            outlook = self._watch.look()
            self._calls.update(dict.fromkeys(outlook.calls))
            if not outlook.met:
                done = f"{'; '.join(self._met)}; then " if self._met else ""
                return Outlook(came=done + outlook.came, calls=tuple(self._calls))
            self._met.append(outlook.came)
            self._claims += outlook.claims
            expected = self._order[len(self._met) - 1]
            if expected.as_ is not None and outlook.binds is not None:
                self._world.calls[expected.as_] = outlook.binds
            if len(self._met) == len(self._order):
                return Outlook(True, came="; ".join(self._met), calls=tuple(self._calls), claims=tuple(self._claims), number=outlook.number)
            after = Moment(outlook.number, self._world.clock.wall())
            self._watch = watch(self._world, self._order[len(self._met)], after, False)
