"""What no single key of a scenario can know: names that must exist before they are used, times that must fit, places that must agree."""

from collections.abc import Container, Iterator, Mapping
from typing import get_args

from emulator.did_you_mean import meant, suggest
from emulator.journal.events import KINDS
from emulator.journal.findings import CATALOGUE, Severity
from emulator.scenario import expectation as e
from emulator.scenario import model as m
from emulator.scenario.matches import CallMatch, EventMatch, FindingMatch
from emulator.scenario.spec import FaultSpec
from emulator.scenario.spec import problems as fault_problems
from emulator.scenario.terms import ALL, START, Place, bounds, matches
from emulator.trunk.callers import ECHO, header_problem
from emulator.trunk.regions import region_of, site_of
from emulator.yaml import At

_CALL, _INBOUND, _FAULT, _DOWN, _MOMENT = "call", "inbound call", "fault", "outage", "step"
_ARTICLE = {_CALL: "a", _INBOUND: "an", _FAULT: "a", _DOWN: "an", _MOMENT: "a"}


Found = tuple[At, str]
"""Where in the scenario, and what is wrong."""


def check(scenario: m.Scenario, places: Mapping[At, str], unsure: Container[str] = ()) -> Iterator[Found]:
    """Every mistake. `places` has whatever is written, `unsure` are names that something may have which could not be read."""
    yield from _Check(scenario, places, unsure).run()


class _Check:
    def __init__(self, scenario: m.Scenario, places: Mapping[At, str], unsure: Container[str]) -> None:
        self._scenario = scenario
        self._places = places
        self._unsure = unsure
        self._names: dict[str, str] = {}
        """What is named so far, and what kind of thing each name is."""
        self._plays: dict[str, str] = {}
        """What the callers of calls to the device play, by the names of these."""
        self._echo = False
        """Whether a fault has any of them echo."""
        self._waits = 0.0

    def run(self) -> Iterator[Found]:
        scenario = self._scenario
        yield from self._forward_lists()
        for number, fault in enumerate(scenario.given.faults):
            yield from self._fault(fault, ("given", "faults", str(number)))
        for number, step in enumerate(scenario.steps):
            yield from self._step(step, ("steps", str(number)))
        for number, never in enumerate(scenario.never):
            yield from self._happening(never, ("never", str(number)))
            if getattr(never, "for_", None) is not None:
                yield (("never", str(number), "for"), "`for` waits in a step; here it holds from beginning to end, so leave it out")
        if self._waits > scenario.deadline:
            yield (("steps",), f"its waits alone take {self._waits:g} s; set `deadline` above that (it is {scenario.deadline:g} s)")

    def _forward_lists(self) -> Iterator[Found]:
        lists = [(("given", "numbers", number, "forward"), one.forward) for number, one in self._scenario.given.numbers.items()]
        lists += [
            (("steps", str(number), "call", "forward"), step.call.forward)
            for number, step in enumerate(self._scenario.steps)
            if isinstance(step, m.CallStep)
        ]
        for at, text in lists:
            if text is not None:
                from emulator.trunk.forward_list import check as problems_of

                for problem in problems_of(text)[1]:
                    if problem.severity == "error":
                        yield (at, f"forward, {problem}")

    # -- steps ----------------------------------------------------------------------------------------------------

    def _step(self, step: m.Step, at: At) -> Iterator[Found]:
        if isinstance(step, m.ExpectStep):
            yield from self._expectation(step.expect, (*at, "expect"))
        elif isinstance(step, m.NeverStep):
            yield from self._happening(step.never, (*at, "never"))
            yield from self._length(getattr(step.never, "for_", None), (*at, "never", "for"))
        elif isinstance(step, m.DownStep):
            if not step.down.names:
                yield ((*at, "down"), "nothing is named; write `site: us-3`, `proxy: …`, `region: …` or `name: all`")
            yield from self._named(step.down.as_, _DOWN, (*at, "down", "as"))
        elif isinstance(step, m.UpStep):
            yield from self._named(step.up.as_, _MOMENT, (*at, "up", "as"))
        elif isinstance(step, m.FaultStep):
            yield from self._fault(step.fault, (*at, "fault"))
            yield from self._named(step.as_, _FAULT, (*at, "as"))
        elif isinstance(step, m.ClearStep):
            if step.clear != ALL:
                yield from self._known(step.clear, (_FAULT,), (*at, "clear"))
        elif isinstance(step, m.CallStep):
            call = step.call
            if call.proxy is not None and call.region is not None and region_of(call.proxy) != call.region:
                yield ((*at, "call", "region"), f"{call.proxy} is not in {call.region}; leave one out")
            if call.play.lower().endswith(".wav") or "/" in call.play:
                what = "a file; name it in given.config.media.prompts, and write that name"
                yield ((*at, "call", "play"), f"play {call.play!r:.60}: {what}")
            for name, value in call.headers.items():
                if (problem := header_problem(name, value)) is not None:
                    yield ((*at, "call", "headers", name), problem)
            if call.as_ is not None:
                self._plays[call.as_] = call.play
            yield from self._named(call.as_, _INBOUND, (*at, "call", "as"))
        elif isinstance(step, m.HangupStep | m.CancelStep | m.HoldStep | m.ResumeStep):
            yield from self._on_call(step, at)
        elif isinstance(step, m.DtmfStep):
            yield from self._known(step.dtmf.call, (_CALL, _INBOUND), (*at, "dtmf", "call"))
        elif isinstance(step, m.WaitStep):
            yield from self._wait(step.wait, (*at, "wait"))
        elif isinstance(step, m.RunStep):
            yield from self._within(step.run.within, (*at, "run", "within"))
            yield from self._named(step.run.as_, _MOMENT, (*at, "run", "as"))

    def _fault(self, fault: FaultSpec, at: At) -> Iterator[Found]:
        if fault.media is not None and fault.media.play == ECHO:
            self._echo = True
        for inside, what in fault_problems(fault):
            yield ((*at, *inside), what)

    def _on_call(self, step: m.HangupStep | m.CancelStep | m.HoldStep | m.ResumeStep, at: At) -> Iterator[Found]:
        verb = str(type(step).__struct_config__.tag)
        done: m.OnCall = getattr(step, verb)
        kinds = (_INBOUND,) if verb == "cancel" else (_CALL, _INBOUND)
        yield from self._known(done.call, kinds, (*at, verb, "call"))
        yield from self._within(done.within, (*at, verb, "within"))

    def _wait(self, wait: m.Wait, at: At) -> Iterator[Found]:
        chosen = [name for name in ("for", "event", "listening") if getattr(wait, name if name != "for" else "for_") is not None]
        if len(chosen) != 1:
            yield (at, f"{' and '.join(chosen) or 'nothing'} to wait for; write one of for, event, listening")
        if wait.event is not None:
            yield from self._event(wait.event, (*at, "event"))
            yield from self._known_call(wait.event.call, (*at, "event", "call"))
        if wait.listening is not None and not 0 < int(wait.listening.rpartition(":")[2]) < 65536:
            yield ((*at, "listening"), "no port; write one from 1 to 65535")
        yield from self._length(wait.for_, (*at, "for"))
        yield from self._within(wait.within, (*at, "within"))
        yield from self._named(wait.as_, _MOMENT, (*at, "as"))

    # -- expectations ---------------------------------------------------------------------------------------------

    def _expectation(self, expected: e.Expectation, at: At) -> Iterator[Found]:
        yield from self._within(expected.within, (*at, "within"))
        if isinstance(expected, e.ExpectMedia):
            yield from self._known(expected.media, (_CALL, _INBOUND), (*at, "media"))
            said = [getattr(expected, name) for name in expected.__struct_fields__ if name not in ("media", "within", "sent", "anew")]
            if not expected.sent and all(value is None or value == () for value in said):
                yield (at, "nothing is expected of them; write `echoed: true`, `dtmf: …`, `codec: …`, `loss: …`")
            plays = self._plays.get(expected.media, ECHO)
            if expected.echoed and plays != ECHO and not self._echo:
                what = f"the caller of {expected.media!r} plays {plays:.60}, and echoes nothing"
                yield ((*at, "echoed"), f"{what}; write `play: echo` in its call, or `packets: 50` here")
        elif isinstance(expected, e.ExpectAttempts):
            yield from self._known(expected.attempts, (_INBOUND,), (*at, "attempts"))
            for number, gap in enumerate(expected.gaps):
                if bounds(gap) is None:
                    yield ((*at, "gaps", str(number)), f"{gap!r} is no time; write 2s, or bounds such as 1.8s..2.5s")
        elif isinstance(expected, e.ExpectEnded):
            yield from self._known(expected.ended, (_CALL, _INBOUND), (*at, "ended"))
            if expected.lasted is not None and bounds(expected.lasted) is None:
                yield ((*at, "lasted"), f"{expected.lasted!r} is no time; write 5s, or bounds such as 4s..6s")
        elif isinstance(expected, e.ExpectOrder):
            yield from self._known_moment(expected.since, (*at, "since"))
            for number, one in enumerate(expected.order):
                yield from self._happening(one, (*at, "order", str(number)))
                yield from self._within(one.within, (*at, "order", str(number), "within"))
        else:
            yield from self._happening(expected, at)

    def _happening(self, one: e.Happening | e.Never, at: At) -> Iterator[Found]:
        """What happens, or must not: places that agree, calls that are known, findings that there are."""
        kind = str(type(one).__struct_config__.tag)
        if isinstance(one, e.NeverEnded):
            yield from self._known(one.ended, (_CALL, _INBOUND), (*at, "ended"))
            return
        match = getattr(one, kind)
        if isinstance(match, Place):
            yield from self._place(match, (*at, kind))
        yield from self._known_call(getattr(match, "call", None), (*at, kind, "call"))
        if isinstance(match, CallMatch) and match.tried and match.proxies and not any(
            matches(match.tried[-1], proxy) for proxy in match.proxies
        ):  # fmt: skip
            yield ((*at, kind, "tried"), f"ends with {match.tried[-1]}, where the call is not to be; end it with its proxy")
        if isinstance(match, EventMatch):
            yield from self._event(match, (*at, kind))
        if isinstance(match, FindingMatch) and match.code is not None:
            yield from self._finding(match.code, match.severity, (*at, kind))
        yield from self._known_moment(one.since, (*at, "since"))
        yield from self._named(getattr(one, "as_", None), _CALL if kind == "call" else _MOMENT, (*at, "as"))

    def _event(self, match: EventMatch, at: At) -> Iterator[Found]:
        """One that never comes, because of a slip."""
        if not any(matches(match.kind, kind) for kind in KINDS) and (hint := meant(match.kind, KINDS)):
            yield ((*at, "kind"), f"no event {match.kind!r}{hint}")

    def _finding(self, wanted: str, severities: tuple[str, ...], at: At) -> Iterator[Found]:
        """A finding that there is, and that can be as grave as that."""
        kinds = [kind for code, kind in CATALOGUE.items() if matches(wanted, code)]
        if not kinds:
            yield ((*at, "code"), f"no finding {wanted!r}{meant(wanted, CATALOGUE) or '; `vsim explain` lists them'}")
        elif severities and not any(kind.severity in severities for kind in kinds):
            known = [severity for severity in get_args(Severity) if any(kind.severity == severity for kind in kinds)]
            yield ((*at, "severity"), f"the severity of {wanted} is {' or '.join(known)}; write that, or leave one out")

    def _place(self, place: Place, at: At) -> Iterator[Found]:
        """A proxy that is not at the site beside it is nowhere."""
        for proxy in place.proxy:
            if place.site and site_of(proxy) not in place.site:
                yield ((*at, "proxy"), f"{proxy} is not at {' or '.join(place.site)}; leave one out")
            if place.region and region_of(proxy) not in place.region:
                yield ((*at, "proxy"), f"{proxy} is not in {' or '.join(place.region)}; leave one out")
        for site in place.site:
            if place.region and region_of(site) not in place.region:
                yield ((*at, "site"), f"{site} is not in {' or '.join(place.region)}; leave one out")

    # -- names and times ------------------------------------------------------------------------------------------

    def _named(self, name: str | None, kind: str, at: At) -> Iterator[Found]:
        if name is None:
            return
        if name in (START, ALL):
            yield (at, f"{name!r} has a meaning of its own; choose another name")
        elif name in self._names:
            yield (at, f"{name!r} is the name of {_ARTICLE[self._names[name]]} {self._names[name]} already; choose another name")
        else:
            self._names[name] = kind

    def _known(self, name: str, kinds: tuple[str, ...], at: At) -> Iterator[Found]:
        kind = self._names.get(name)
        if kind in kinds or (kind is None and name in self._unsure):
            return
        wanted = kinds[0] if len(kinds) == 1 else _CALL if len(kinds) == 2 else _MOMENT
        if kind is not None:
            yield (at, f"{name!r} is {_ARTICLE[kind]} {kind}; name {_ARTICLE[wanted]} {wanted}")
            return
        known = [one for one, kind in self._names.items() if kind in kinds]
        hint = suggest(name, known) if known else f"; give {_ARTICLE[wanted]} {wanted} this name with `as: {name}` in a step before"
        yield (at, f"no {wanted} is called {name!r} yet{hint}")

    def _known_call(self, name: str | None, at: At) -> Iterator[Found]:
        if name is not None:
            yield from self._known(name, (_CALL, _INBOUND), at)

    def _known_moment(self, name: str | None, at: At) -> Iterator[Found]:
        if name is not None and name != START:
            yield from self._known(name, tuple(_ARTICLE), at)

    def _within(self, time: float, at: At) -> Iterator[Found]:
        if at in self._places and time > self._scenario.deadline:
            yield (
                at,
                f"{time:g} s is longer than the whole scenario may take; set `deadline` above it (it is {self._scenario.deadline:g} s)",
            )

    def _length(self, time: float | None, at: At) -> Iterator[Found]:
        if time is not None:
            self._waits += time if time <= self._scenario.deadline else 0.0
            yield from self._within(time, at)
