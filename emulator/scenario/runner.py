"""Runs a scenario: one step after the other, each with its time, under a deadline for the whole.

A machine: it acts on a `Stage`, sees by a `Witness`, and waits on the clock. What it sees happens in the midst of other machines, so it
looks at it a moment later, and acts only then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from emulator.clock import Clock, Timer
from emulator.journal.events import Event
from emulator.journal.journal import Journal
from emulator.scenario import expectation as e
from emulator.scenario import model as m
from emulator.scenario.acts import Acts, Listening, name_of, time_of, verb
from emulator.scenario.expect import watch
from emulator.scenario.stage import Stage
from emulator.scenario.terms import START
from emulator.scenario.trace import trace
from emulator.scenario.verdict import CommandWanted, Kind, Outcome, Report, State, Verdict
from emulator.scenario.witness import Witness
from emulator.scenario.wording import never_in_words, step_in_words, time_in_words
from emulator.scenario.world import Moment, Outlook, Unnamed, Watch, World
from emulator.yaml import Unusable

_POLL = 0.1
"""Seconds between two looks at what changes without an event: counters of media."""
_REST = 9.0
"""How long nobody looks again, in terms of how long a look took: a tenth of the processor at most."""
_GRACE = 5.0
"""Seconds that whoever runs a command has, beside the command's own time, to tell how it ended."""


class Aim(Enum):
    """What the current step waits for."""

    MET = "that it is met; else it has failed"
    DONE = "that it comes about; else it has failed"
    THERE = "that it is there; else the scenario has timed out"
    ABSENT = "that it does not come until the time is over"
    TIME = "that time passes"
    COMMAND = "that a command ends"


@dataclass(frozen=True, slots=True)
class _Waiting:
    aim: Aim
    watch: Watch | None = None


class Runner:
    """One run of one scenario. Its end is an event, `scenario.ended`."""

    def __init__(
        self,
        id: str,
        scenario: m.Scenario,
        stage: Stage,
        clock: Clock,
        journal: Journal,
        keep_going: bool = False,
    ) -> None:
        """With `keep_going` the story goes on after a step that failed."""
        self.id = id
        self.state: State = "running"
        self._scenario = scenario
        self._stage = stage
        self._clock = clock
        self._journal = journal
        self._keep_going = keep_going
        self._kind: Kind | None = None
        self._why = ""
        self._witness = Witness(clock.seconds, lambda: self._look_in(0.0))
        self._world = World(clock, journal, self._witness)
        self._acts = Acts(stage, self._world)
        self._began = self._ended = clock.seconds()
        self._verdicts = [
            Verdict(where=f"steps.{number}", step=verb(step), text=step_in_words(step), outcome="skipped", within=time_of(step))
            for number, step in enumerate(scenario.steps)
        ]
        self._nevers: list[tuple[Verdict, Watch]] = []
        """What must not happen until the end."""
        self._beginning = self._since = Moment(0, clock.wall())
        """`_since` is when the last step that did something began."""
        self._named: dict[str, Moment] = {START: self._beginning}
        """When the steps with names began, or what they waited for."""
        self._index = 0
        self._begun = self._began
        self._waiting: _Waiting | None = None
        self._limit: Timer | None = None
        self._deadline: Timer | None = None
        self._looking: Timer | None = None
        self._rest = 0.0
        """Until then nobody looks again, but for a time that is over."""
        self._command: CommandWanted | None = None
        self._trace: list[str] = []
        self._failover: dict[str, Any] | None = None
        self._faults: list[str] = []
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
            self._acts.given(self._scenario.given)
        except Unusable as error:
            verdict = Verdict(where="given", step="given", text="what is given")
            self._verdicts.insert(0, verdict)
            self._fail(verdict, "failed", "usage", str(error), ())
            self._finish("failed")
        else:
            self._advance()

    def stop(self, why: str, kind: Kind | None = None) -> None:
        """End it before its time; `kind` is what failed, None when somebody only wants it to end."""
        if self.state != "running":
            return
        self._why, self._keep_going = why, False
        if self._waiting is not None:
            came = self._came()
            self._settle("failed" if kind is not None else "skipped", kind, f"{why}; {came}" if came else why)
        if self.state == "running":
            self._kind = self._kind or kind
            self._finish("failed" if self._kind is not None else "stopped")

    def command_ended(self, number: int, code: int | None, why: str = "") -> bool:
        """A command has ended with an exit code, or, with None, could not be run to its end; False when it is not waited for."""
        command = self._command
        if command is None or command.number != number:
            return False
        step = self._scenario.steps[number]
        assert isinstance(step, m.RunStep)
        if code is None:
            self._settle("failed", "command", why)
        elif code == step.run.code:
            self._settle("done", None, f"exit code {code}")
        else:
            self._settle("failed", "command", f"exit code {code}, not {step.run.code}" + (f"; {why}" if why else ""))
        self._advance()
        return True

    def report(self) -> Report:
        """How it stands."""
        running = self.state == "running"
        seconds = (self._clock.seconds() if running else self._ended) - self._began
        return Report(
            id=self.id, name=self._scenario.name, state=self.state, kind=None if running else self._kind, seconds=round(seconds, 3),
            why=self._why, steps=self._verdicts, command=self._command, trace=self._trace, faults=self._faults,
            failover=self._failover,
        )  # fmt: skip

    # -- seeing ---------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if not event.kind.startswith("scenario."):
            self._witness.note(event)

    def _look_in(self, seconds: float) -> None:
        """Look once, soon; an earlier look that is due already does as well. Where there is much to look at, calls come first."""
        if self.state != "running":
            return
        seconds = max(seconds, self._rest - self._clock.seconds())
        if self._looking is not None and self._looking.pending:
            if self._looking.due <= self._clock.seconds() + seconds:
                return
            self._looking.cancel()
        self._looking = self._clock.call_later(seconds, self._look)

    def _look(self, last: bool = False) -> None:
        """See how things stand; `last` when the time of the current step is over."""
        began = self._clock.seconds()
        self._check_nevers()
        if self.state == "running" and self._waiting is not None:
            self._examine(self._waiting, last)
        now = self._clock.seconds()
        self._rest = now + _REST * (now - began)
        self._advance()

    def _check_nevers(self) -> None:
        """Whether something has happened that never should have."""
        for verdict, never in list(self._nevers):
            outlook = self._outlook(never)
            if self.state == "running" and outlook is not None and outlook.met:
                self._nevers.remove((verdict, never))
                verdict.after = round(self._clock.seconds() - self._began - verdict.at, 3)
                self._fail(verdict, "failed", "signalling", outlook.came, outlook.calls)
                if not self._keep_going:
                    self._finish("failed")

    def _outlook(self, one: Watch) -> Outlook | None:
        """None when it speaks of a call that does not exist, for the step that names it was not met."""
        try:
            return one.look()
        except Unnamed:
            return None

    def _came(self) -> str:
        """What there is of what is waited for."""
        outlook = self._outlook(self._waiting.watch) if self._waiting is not None and self._waiting.watch is not None else None
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
        timed = self._waiting is not None and self._waiting.watch is not None and self._waiting.watch.timed
        if timed or any(never.timed for _, never in self._nevers):
            self._look_in(_POLL)

    def _begin(self, step: m.Step, verdict: Verdict) -> None:
        """Do a step, or begin to wait for it."""
        match step:
            case m.ExpectStep(expect=expected):
                since = getattr(expected, "since", None)
                self._wait(Aim.MET, expected.within, watch(self._world, expected, self._moment(since), claims=since is None))
            case m.NeverStep(never=never):
                self._begin_never(never, verdict)
            case m.WaitStep(wait=wait):
                self._begin_wait(wait)
            case m.NoteStep():
                self._settle("done")
            case _:
                self._since = self._world.now()
                if (name := name_of(step)) is not None:
                    self._named[name] = self._since
                if isinstance(step, m.RunStep):
                    self._begin_command(step.run)
                    return
                record, until = self._acts.do(step)
                verdict.calls = [record.id] if record is not None else []
                if until is None:
                    self._settle("done")
                else:
                    self._wait(Aim.DONE, time_of(step) or 0.0, until)

    def _begin_never(self, never: e.Never, verdict: Verdict) -> None:
        since = getattr(never, "since", None)
        if never.for_ is not None:
            self._wait(Aim.ABSENT, never.for_, watch(self._world, never, self._moment(since), claims=False))
            return
        one = watch(self._world, never, self._moment(since or START), claims=False)
        one.look()  # a name that names nothing is told now
        self._nevers.append((verdict, one))
        self._settle("watching")
        self._check_nevers()

    def _begin_wait(self, wait: m.Wait) -> None:
        if wait.event is not None:
            self._wait(Aim.THERE, wait.within, watch(self._world, e.ExpectEvent(event=wait.event), self._since))
        elif wait.listening is not None:
            self._wait(Aim.THERE, wait.within, Listening(self._stage, wait.listening))
        else:
            self._wait(Aim.TIME, wait.for_ or 0.0)

    def _begin_command(self, run: m.Run) -> None:
        self._command = CommandWanted(number=self._index, command=list(run.command), within=run.within)
        self._wait(Aim.COMMAND, run.within + _GRACE)
        self._journal.event("scenario.command", None, scenario=self.id, command=self._index, text=" ".join(run.command))

    def _moment(self, name: str | None) -> Moment:
        """From when on an expectation looks."""
        if name is None:
            return self._since
        moment = self._named.get(name)
        if moment is None:
            raise Unnamed(f"no step is called {name!r}: the step of that name was not met")
        return moment

    # -- waiting --------------------------------------------------------------------------------------------------

    def _wait(self, aim: Aim, seconds: float, one: Watch | None = None) -> None:
        self._waiting = waiting = _Waiting(aim, one)
        self._limit = self._clock.call_later(seconds, self._look, True)
        self._examine(waiting, last=False)

    def _examine(self, waiting: _Waiting, last: bool) -> None:
        """Whether what is waited for is there, or can't come any more; `last` when its time is over."""
        aim = waiting.aim
        if waiting.watch is None:
            if last and aim is Aim.TIME:
                self._settle("done")
            elif last:
                self._settle("timed out", "time", "nobody told how it ended")
            return
        try:
            outlook = waiting.watch.look()
        except Unnamed as error:
            self._settle("skipped", None, str(error))
            return
        if aim is Aim.ABSENT:
            if outlook.met:
                self._settle("failed", "signalling", outlook.came, outlook)
            elif last:
                self._settle("held")
        elif outlook.met and (last or not outlook.for_now):
            self._settle("met" if aim is Aim.MET else "done", None, outlook.came, outlook)
        elif last and aim is Aim.THERE:
            self._settle("timed out", "time", outlook.came, outlook)
        elif last or outlook.hopeless:
            step = self._scenario.steps[self._index]
            about_media = isinstance(step, m.ExpectStep) and isinstance(step.expect, e.ExpectMedia)
            self._settle("failed", "media" if about_media else "signalling", outlook.came, outlook)

    def _settle(self, outcome: Outcome, kind: Kind | None = None, came: str = "", outlook: Outlook | None = None) -> None:
        """The current step is over."""
        step, verdict = self._scenario.steps[self._index], self._verdicts[self._index]
        if self._limit is not None:
            self._limit.cancel()
        self._waiting, self._command = None, None
        self._index += 1
        verdict.after = round(self._clock.seconds() - self._begun, 3)
        calls = outlook.calls if outlook is not None else tuple(verdict.calls)
        if outcome in ("failed", "timed out"):
            self._fail(verdict, outcome, kind or "signalling", came, calls)
            if not self._keep_going:
                self._finish("failed")
            return
        verdict.outcome, verdict.came, verdict.calls = outcome, came, list(calls)
        if outlook is not None and outcome in ("met", "done"):
            self._remember(step, outlook)

    def _remember(self, step: m.Step, outlook: Outlook) -> None:
        """What is expected has come: it has its name from here on, and meets no other expectation."""
        self._world.claimed.update(outlook.claims)
        name = name_of(step)
        if name is not None and isinstance(step, m.ExpectStep | m.WaitStep):
            self._named[name] = Moment(outlook.number or self._witness.number, self._clock.wall())
            if outlook.binds is not None:
                self._world.calls[name] = outlook.binds

    def _fail(self, verdict: Verdict, outcome: Outcome, kind: Kind, came: str, calls: tuple[str, ...]) -> None:
        verdict.outcome, verdict.kind, verdict.came, verdict.calls = outcome, kind, came, list(calls)
        self._kind = self._kind or kind
        self._journal.event("scenario.failed", None, scenario=self.id, step=verdict.where, text=verdict.text, came=came)

    # -- the end --------------------------------------------------------------------------------------------------

    def _on_deadline(self) -> None:
        self._check_nevers()
        if self.state == "running":
            self._kind = self._kind or "time"
            why, came = f"the whole scenario took more than {time_in_words(self._scenario.deadline)}", self._came()
            self._why, self._keep_going = why, False
            if self._waiting is not None:
                self._settle("timed out", "time", f"{why}; {came}" if came else why)
        if self.state == "running":
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
        self._nevers = []
        if self._waiting is not None:
            self._verdicts[self._index].outcome = "skipped"
        self.state, self._ended = state, self._clock.seconds()
        for timer in (self._limit, self._deadline, self._looking):
            if timer is not None:
                timer.cancel()
        for end in self._ends:
            end()
        self._waiting, self._command = None, None
        self._trace = trace(self._verdicts, (noted.event for noted in self._witness.events))
        self._faults, self._failover = self._stage.struck(), self._stage.failover()
        self._stage.restore()
        self._journal.event("scenario.ended", None, scenario=self.id, state=state, seconds=round(self._ended - self._began, 3))
