"""What steps do to the emulator, and to its calls."""

from emulator.journal.record import CallRecord
from emulator.scenario import model as m
from emulator.scenario.expect_named import over
from emulator.scenario.stage import Stage
from emulator.scenario.terms import ALL
from emulator.scenario.world import Outlook, Watch, World


class Acts:
    """Does steps on a stage; remembers the faults that they added."""

    def __init__(self, stage: Stage, world: World) -> None:
        self._stage = stage
        self._world = world
        self._faults: dict[str, str] = {}
        """Ids by name."""

    def given(self, given: m.Given) -> None:
        """What holds before the first step. Raises `Unusable`."""
        self._faults.update({id: id for id in self._stage.given(given)})

    def do(self, step: m.Step) -> tuple[CallRecord | None, Watch | None]:
        """The call concerned, and what to wait for until the step is done. Raises `Unusable` and `Unnamed`."""
        stage = self._stage
        match step:
            case m.DownStep(down=down):
                for place in down.names:
                    stage.down(place, down.how, down.for_, down.keep_calls)
            case m.UpStep(up=up):
                for place in up.names:
                    stage.up(place)
            case m.FaultStep(fault=fault, as_=name):
                id = stage.fault(fault)
                self._faults[name or id] = id
            case m.ClearStep(clear=name):
                for one in list(self._faults) if name == ALL else [name]:
                    if id := self._faults.pop(one, ""):
                        stage.clear(id)
            case m.CallStep(call=call):
                record = stage.ring(call)
                if call.as_ is not None:
                    self._world.calls[call.as_] = record
                return record, None
            case m.HangupStep(hangup=on) | m.CancelStep(cancel=on):
                record = self._world.call(on.call)
                stage.hang_up(record)
                return record, _Over(record)
            case m.DtmfStep(dtmf=dtmf):
                record = self._world.call(dtmf.call)
                stage.dial(record, dtmf.digits)
                return record, None
            case m.HoldStep(hold=on):
                return self._hold(on.call, True)
            case m.ResumeStep(resume=on):
                return self._hold(on.call, False)
            case _:
                raise AssertionError(step)
        return None, None

    def _hold(self, name: str, on: bool) -> tuple[CallRecord, Watch]:
        record = self._world.call(name)
        return record, _Held(self._world, self._stage, record, on)


class _Over:
    """A call that was hung up is over once its BYE has gone, which waits for the ACK (RFC 3261 15)."""

    timed = False

    def __init__(self, record: CallRecord) -> None:
        self._record = record

    def look(self) -> Outlook:
        return Outlook(met=over(self._record), came=f"the call is {self._record.state}", calls=(self._record.id,))


class _Held:
    """A re-INVITE that holds, or takes off hold, has come about once the device has taken it. None may be sent before the ACK of the
    answer, nor while another one is under way (RFC 3261 14.1): it waits for that."""

    def __init__(self, world: World, stage: Stage, record: CallRecord, on: bool) -> None:
        """Raises `Unusable` for a call that is not answered."""
        self._world = world
        self._stage = stage
        self._record = record
        self._on = on
        self._since = world.now()
        self._kind = "call.held" if on else "call.resumed"
        self.timed = not stage.hold(record, on)

    def look(self) -> Outlook:
        calls = (self._record.id,)
        for noted in self._world.witness.events_since(self._since.number):
            if noted.event.call == self._record.id and noted.event.kind == self._kind:
                return Outlook(met=True, calls=calls)
            if noted.event.call == self._record.id and str(noted.event.fields.get("finding", "")).startswith("hold.refused"):
                return Outlook(hopeless=True, came=str(noted.event.fields["finding"]).partition("; the trunk wants")[0], calls=calls)
        if over(self._record):
            return Outlook(hopeless=True, came=f"the call is {self._record.state}", calls=calls)
        if self.timed:
            self.timed = not self._stage.hold(self._record, self._on)
        missing = "no re-INVITE could be sent: an ACK, or the end of another one, is missing"
        return Outlook(came=missing if self.timed else "no answer to the re-INVITE", calls=calls)


class Listening:
    """Somebody listens at an address."""

    timed = True

    def __init__(self, stage: Stage, address: str) -> None:
        self._stage = stage
        self._address = address

    def look(self) -> Outlook:
        met = self._stage.listening(self._address)
        return Outlook(met=met, came="" if met else f"nobody listens at {self._address}")


def verb(step: m.Step) -> str:
    """`down`, `expect` …"""
    return str(type(step).__struct_config__.tag)


def name_of(step: m.Step) -> str | None:
    """What a step calls itself, or what it brings about."""
    done = getattr(step, verb(step))
    name: str | None = getattr(step, "as_", None) or getattr(done, "as_", None)
    return name


def time_of(step: m.Step) -> float | None:
    """Seconds that a step has, or takes; None where it is done at once."""
    match step:
        case m.ExpectStep(expect=expected):
            return expected.within
        case m.NeverStep(never=never):
            return never.for_
        case m.WaitStep(wait=wait):
            return wait.for_ if wait.for_ is not None else wait.within
        case m.RunStep(run=run):
            return run.within
        case m.HangupStep(hangup=on) | m.CancelStep(cancel=on) | m.HoldStep(hold=on) | m.ResumeStep(resume=on):
            return on.within
    return None
