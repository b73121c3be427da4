"""Runs a scenario: one step after the other, each with its time, under a deadline for the whole.

A machine: it acts on a `Stage`, sees by a `Witness`, and waits on the clock. What it sees happens in the midst of other machines, so it
looks at it a moment later, and acts only then.
"""

from collections.abc import Callable
from typing import Any

from emulator.clock import Clock, Timer
from emulator.journal.events import Event
from emulator.journal.journal import CallRecord, Journal
from emulator.scenario import expectation as e
from emulator.scenario import model as m
from emulator.scenario.expect import watch
from emulator.scenario.expect_named import over
from emulator.scenario.stage import Stage
from emulator.scenario.terms import ALL, START
from emulator.scenario.trace import trace
from emulator.scenario.verdict import CommandWanted, Kind, Outcome, Report, State, Verdict
from emulator.scenario.witness import Witness
from emulator.scenario.wording import never_in_words, step_in_words, time_in_words
from emulator.scenario.world import Moment, Outlook, Unnamed, Watch, World
from emulator.yaml import Unusable

_POLL = 0.1
"""Seconds between two looks at what changes without an event: counters of media."""
_GRACE = 5.0
"""Seconds that whoever runs a command has, beside the command's own time, to tell how it ended."""


class Runner:
    """One run of one scenario. `done` is called once, when it is over."""

    def __init__(
        self,
        id: str,
        scenario: m.Scenario,
        stage: Stage,
        clock: Clock,
        journal: Journal,
        done: Callable[[], None],
        keep_going: bool = False,
    ) -> None:
        """With `keep_going` the story goes on after a step that failed."""
        self.id = id
        self.state: State = "running"
        self._scenario = scenario
        self._stage = stage
        self._clock = clock
        self._journal = journal
        self._done = done
        self._keep_going = keep_going
        self._kind: Kind | None = None
        self._why = ""
        self._witness = Witness(clock.seconds, self._on_seen)
        self._world = World(clock, journal, self._witness)
        self._began = self._ended = clock.seconds()
        self._verdicts = [
            Verdict(where=f"steps.{number}", step=_verb(step), text=step_in_words(step), outcome="skipped", within=_within(step))
            for number, step in enumerate(scenario.steps)
        ]
        self._nevers: list[tuple[Verdict, Watch]] = []
        """What must not happen until the end."""
        self._beginning = Moment(0, clock.wall())
        self._named: dict[str, Moment] = {START: self._beginning}
        """When the steps with names began."""
        self._faults: dict[str, str] = {}
        """Ids by name."""
        self._since = self._beginning
        """When the last step that did something began."""
        self._index = 0
        self._begun = 0.0
        self._waiting: _Waiting | None = None
        self._limit: Timer | None = None
        self._deadline: Timer | None = None
        self._looking: Timer | None = None
        self._command: CommandWanted | None = None
        self._trace: list[str] = []
        self._failover: dict[str, Any] | None = None
        self._ends: list[Callable[[], None]] = []

    # -- from outside ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. Whatever needs no waiting is done when this returns."""
        self._journal.event("scenario.started", None, scenario=self.id, name=self._scenario.name)
        self._ends = [self._journal.listen(self._on_event), self._stage.observe(self._witness.message)]
        self._deadline = self._clock.call_later(self._scenario.deadline, self._on_deadline)
        for number, never in enumerate(self._scenario.never):
            verdict = Verdict(where=f"never.{number}", step="never", text=never_in_words(never), outcome="watching")
            self._verdicts.append(verdict)
            self._nevers.append((verdict, watch(self._world, never, self._beginning, False)))
        try:
            self._stage.given(self._scenario.given)
        except Unusable as error:
            self._verdicts.insert(
                0, Verdict(where="given", step="given", text="what is given", outcome="failed", kind="usage", came=str(error))
            )
            self._kind = "usage"
            self._finish("failed")
            return
        self._advance()

    def stop(self, why: str, kind: Kind | None = None) -> None:
        """End it before its time; `kind` is what failed, None when somebody only wants it to end."""
        if self.state != "running":
            return
        self._why = why
        self._kind = self._kind or kind
        if self._waiting is not None:
            self._settle("failed" if kind is not None else "skipped", kind, f"{why}; {came}" if (came := self._came()) else why)
        if self.state == "running":
            self._finish("failed" if self._kind is not None else "stopped")

    def command_ended(self, number: int, code: int | None, why: str = "") -> bool:
        """A command has ended with an exit code, or could not be run to its end; False when it is not the one that is waited for."""
        command = self._command
        if command is None or command.number != number:
            return False
        step = self._scenario.steps[number]
        assert isinstance(step, m.RunStep)
        if code is None:
            self._settle("timed out" if "not over" in why else "failed", "command", why)
        elif code == step.run.code:
            self._settle("done", None, f"exit code {code}")
        else:
            self._settle("failed", "command", f"exit code {code}, not {step.run.code}")
        self._advance()
        return True

    def report(self) -> Report:
        """How it stands."""
        seconds = (self._clock.seconds() if self.state == "running" else self._ended) - self._began
        return Report(
            id=self.id, name=self._scenario.name, state=self.state, kind=self._kind if self.state != "running" else None,
            seconds=round(seconds, 3), why=self._why, steps=self._verdicts, command=self._command, trace=self._trace,
            failover=self._failover,
        )  # fmt: skip

    # -- seeing ---------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if not event.kind.startswith("scenario."):
            self._witness.note(event)

    def _on_seen(self) -> None:
        self._look_in(0.0)

    def _look_in(self, seconds: float) -> None:
        """Look once, soon; an earlier look that is due already does as well."""
        if self.state != "running":
            return
        if self._looking is not None and self._looking.pending:
            if self._looking.due <= self._clock.seconds() + seconds:
                return
            self._looking.cancel()
        self._looking = self._clock.call_later(seconds, self._look)

    def _look(self) -> None:
        if self._violated():
            return
        if self._waiting is not None:
            self._examine(self._waiting, False)
        if self.state == "running":
            self._advance()
            self._keep_looking()

    def _keep_looking(self) -> None:
        waiting = self._waiting
        if self.state == "running" and ((waiting is not None and waiting.timed) or any(one.timed for _, one in self._nevers)):
            self._look_in(_POLL)

    def _violated(self) -> bool:
        """Whether something has happened that never should have, and the scenario is over for it."""
        for verdict, never in list(self._nevers):
            outlook = self._outlook(never)
            if outlook is not None and outlook.met:
                self._nevers.remove((verdict, never))
                verdict.after = round(self._clock.seconds() - self._began - verdict.at, 3)
                self._fail(verdict, "failed", "signalling", outlook.came, outlook.calls)
                if not self._keep_going:
                    self._finish("failed")
                    return True
        return False

    def _outlook(self, one: Watch) -> Outlook | None:
        """None when it speaks of a call that does not exist, for the step that names it was not met."""
        try:
            return one.look()
        except Unnamed:
            return None

    def _came(self) -> str:
        """What there is of what is waited for."""
        if self._waiting is None or self._waiting.watch is None:
            return ""
        outlook = self._outlook(self._waiting.watch)
        return outlook.came if outlook is not None else ""

    # -- one step after the other ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do steps until one has to wait."""
        while self.state == "running" and self._waiting is None:
            if self._index == len(self._scenario.steps):
                self._finish("failed" if self._kind is not None else "passed")
                return
            step, verdict = self._scenario.steps[self._index], self._verdicts[self._index]
            self._begun = self._clock.seconds()
            verdict.at, verdict.outcome = round(self._begun - self._began, 3), "running"
            try:
                self._begin(step, verdict)
            except Unusable as error:
                self._settle("failed", "signalling", str(error))
            except Unnamed as error:
                self._settle("skipped", None, str(error))

    def _begin(self, step: m.Step, verdict: Verdict) -> None:
        """Do a step, or begin to wait for it."""
        match step:
            case m.ExpectStep(expect=expected):
                claims = getattr(expected, "since", None) is None
                self._wait(watch(self._world, expected, self._moment(getattr(expected, "since", None)), claims), expected.within)
            case m.NeverStep(never=never):
                self._never(never, verdict)
            case m.WaitStep(wait=wait):
                self._begin_wait(wait)
            case m.NoteStep():
                self._settle("done")
            case _:
                self._since = self._world.now()
                self._act(step, verdict)

    def _act(self, step: m.Step, verdict: Verdict) -> None:
        """What changes the world."""
        stage, name = self._stage, None
        match step:
            case m.DownStep(down=down):
                for place in down.names:
                    stage.down(place, down.how, down.for_, down.keep_calls)
                name = down.as_
            case m.UpStep(up=up):
                for place in up.names:
                    stage.up(place)
                name = up.as_
            case m.FaultStep(fault=fault, as_=called):
                id = stage.fault(fault)
                self._faults[called or id] = id
                name = called
            case m.ClearStep(clear=called):
                for one in list(self._faults) if called == ALL else [called]:
                    stage.clear(self._faults.pop(one))
            case m.CallStep(call=call):
                record = stage.ring(call)
                verdict.calls = [record.id]
                name = call.as_
                if name is not None:
                    self._world.calls[name] = record
            case m.RunStep(run=run):
                self._named_step(run.as_)
                command = CommandWanted(number=self._index, command=list(run.command), within=run.within)
                self._command = command
                self._wait(None, run.within + _GRACE)
                self._journal.event("scenario.command", None, scenario=self.id, command=command.number, text=" ".join(run.command))
                return
            case m.HangupStep(hangup=on) | m.CancelStep(cancel=on):
                record = self._world.call(on.call)
                stage.hang_up(record)
                self._wait(_Over(record), on.within)
                return
            case m.DtmfStep(dtmf=dtmf):
                stage.dial(self._world.call(dtmf.call), dtmf.digits)
            case m.HoldStep(hold=on):
                stage.hold(self._world.call(on.call), True)
            case m.ResumeStep(resume=on):
                stage.hold(self._world.call(on.call), False)
            case _:
                raise AssertionError(step)
        self._named_step(name)
        self._settle("done")

    def _named_step(self, name: str | None) -> None:
        if name is not None:
            self._named[name] = self._since

    def _moment(self, name: str | None) -> Moment:
        """From when on an expectation looks."""
        if name is None:
            return self._since
        moment = self._named.get(name)
        if moment is None:
            raise Unnamed(f"no step is called {name!r}: the step of that name was not met")
        return moment

    def _never(self, never: e.Never, verdict: Verdict) -> None:
        since = getattr(never, "since", None)
        if never.for_ is not None:
            self._wait(watch(self._world, never, self._moment(since), False), never.for_, absent=True)
            return
        one = watch(self._world, never, self._moment(since) if since is not None else self._beginning, False)
        one.look()  # a call that has no name is told at once
        self._nevers.append((verdict, one))
        verdict.outcome, verdict.after = "watching", 0.0
        self._index += 1
        self._violated()

    def _begin_wait(self, wait: m.Wait) -> None:
        if wait.event is not None:
            event = e.ExpectEvent(event=wait.event)
            self._wait(watch(self._world, event, self._since), wait.within, timed_out=True)
        elif wait.listening is not None:
            self._wait(_Listening(self._stage, wait.listening), wait.within, timed_out=True)
        else:
            self._wait(None, wait.for_ or 0.0, passes=True)

    # -- waiting --------------------------------------------------------------------------------------------------

    def _wait(self, one: Watch | None, seconds: float, absent: bool = False, passes: bool = False, timed_out: bool = False) -> None:
        self._waiting = waiting = _Waiting(one, absent, passes, timed_out)
        self._limit = self._clock.call_later(seconds, self._on_limit)
        self._examine(waiting, False)
        self._keep_looking()

    def _examine(self, waiting: "_Waiting", last: bool) -> None:
        """Whether what is waited for is there, or can't come any more; `last` when its time is over."""
        if waiting.watch is None:
            if last:
                self._settle("done" if waiting.passes else "timed out", None if waiting.passes else "time")
            return
        try:
            outlook = waiting.watch.look()
        except Unnamed as error:
            self._settle("skipped", None, str(error))
            return
        if waiting.absent:
            if outlook.met:
                self._settle("failed", "signalling", outlook.came, outlook)
            elif last:
                self._settle("held")
        elif outlook.met and (last or not outlook.for_now):
            self._settle("met" if not isinstance(waiting.watch, _Over | _Listening) else "done", None, outlook.came, outlook)
        elif outlook.hopeless or last:
            kind: Kind = "media" if self._verdicts[self._index].text.startswith("media of ") else "signalling"
            if waiting.timed_out and not outlook.hopeless:
                self._settle("timed out", "time", outlook.came, outlook)
            else:
                self._settle("failed", kind, outlook.came, outlook)

    def _on_limit(self) -> None:
        if self._violated() or self._waiting is None:
            return
        self._examine(self._waiting, True)
        self._advance()
        self._keep_looking()

    def _settle(self, outcome: Outcome, kind: Kind | None = None, came: str = "", outlook: Outlook | None = None) -> None:
        """The current step is over."""
        verdict, step = self._verdicts[self._index], self._scenario.steps[self._index]
        if self._limit is not None:
            self._limit.cancel()
        self._waiting, self._command = None, None
        self._index += 1
        verdict.after = round(self._clock.seconds() - self._begun, 3)
        if outlook is not None and outcome == "met":
            self._met(step, outlook)
        calls = outlook.calls if outlook is not None else tuple(verdict.calls)
        if outcome in ("failed", "timed out"):
            self._fail(verdict, outcome, kind or "signalling", came, calls)
            if not self._keep_going:
                self._finish("failed")
            return
        verdict.outcome, verdict.came, verdict.calls = outcome, came, list(calls)

    def _met(self, step: m.Step, outlook: Outlook) -> None:
        self._world.claimed.update(outlook.claims)
        name = None
        if isinstance(step, m.ExpectStep):
            name = getattr(step.expect, "as_", None)
        elif isinstance(step, m.WaitStep):
            name = step.wait.as_
        if name is not None:
            self._named[name] = Moment(outlook.number or self._witness.number, self._clock.wall())
            if outlook.binds is not None:
                self._world.calls[name] = outlook.binds

    def _fail(self, verdict: Verdict, outcome: Outcome, kind: Kind, came: str, calls: tuple[str, ...]) -> None:
        verdict.outcome, verdict.kind, verdict.came, verdict.calls = outcome, kind, came, list(calls)
        self._kind = self._kind or kind
        self._journal.event("scenario.failed", None, scenario=self.id, step=verdict.where, text=verdict.text, came=came)

    # -- the end --------------------------------------------------------------------------------------------------

    def _on_deadline(self) -> None:
        if self._violated():
            return
        whole = time_in_words(self._scenario.deadline)
        self._why = f"the whole scenario took more than {whole}"
        came = self._came()
        keep_going, self._keep_going = self._keep_going, False
        if self._waiting is not None:
            self._settle("timed out", "time", f"{self._why}; {came}" if came else self._why)
        self._keep_going = keep_going
        if self.state == "running":
            self._kind = self._kind or "time"
            self._finish("failed")

    def _finish(self, state: State) -> None:
        if self.state != "running":
            return
        for verdict, never in self._nevers:
            outlook = self._outlook(never)
            if outlook is not None and outlook.met:
                self._fail(verdict, "failed", "signalling", outlook.came, outlook.calls)
                state = "failed"
            else:
                verdict.outcome = "held" if state == "passed" else "skipped"
        self.state, self._ended = state, self._clock.seconds()
        for timer in (self._limit, self._deadline, self._looking):
            if timer is not None:
                timer.cancel()
        for end in self._ends:
            end()
        self._waiting, self._command = None, None
        self._trace = trace(self._verdicts, (noted.event for noted in self._witness.events))
        self._failover = self._stage.failover()
        self._stage.restore()
        self._journal.event("scenario.ended", None, scenario=self.id, state=state, seconds=round(self._ended - self._began, 3))
        self._done()


class _Waiting:
    """What the current step waits for. `absent`: that it does not come; `passes`: that time passes; `timed_out`: what it is called when it
    does not come."""

    __slots__ = ("absent", "passes", "timed_out", "watch")

    def __init__(self, one: Watch | None, absent: bool, passes: bool, timed_out: bool) -> None:
        self.watch = one
        self.absent = absent
        self.passes = passes
        self.timed_out = timed_out

    @property
    def timed(self) -> bool:
        return self.watch is not None and self.watch.timed


class _Over:
    """A call that was hung up is over once its BYE has been answered, or given up."""

    timed = False

    def __init__(self, record: CallRecord) -> None:
        self._record = record

    def look(self) -> Outlook:
        return Outlook(met=over(self._record), came=f"the call is {self._record.state}", calls=(self._record.id,))


class _Listening:
    """Somebody listens at an address."""

    timed = True

    def __init__(self, stage: Stage, address: str) -> None:
        self._stage = stage
        self._address = address

    def look(self) -> Outlook:
        met = self._stage.listening(self._address)
        return Outlook(met=met, came="" if met else f"nobody listens at {self._address}")


def _verb(step: m.Step) -> str:
    return str(type(step).__struct_config__.tag)


def _within(step: m.Step) -> float | None:
    """Seconds that a step has; None where it is done at once."""
    match step:
        case m.ExpectStep(expect=expected):
            return expected.within
        case m.NeverStep(never=never):
            return never.for_
        case m.WaitStep(wait=wait):
            return wait.for_ if wait.for_ is not None else wait.within
        case m.RunStep(run=run):
            return run.within
        case m.HangupStep(hangup=on) | m.CancelStep(cancel=on):
            return on.within
    return None
