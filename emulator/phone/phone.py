"""The phone: one endpoint, the calls it places and takes, and the messages of each. It registers nowhere."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from emulator.clock import Clock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.media.crypto import KEY_OCTETS
from emulator.media.offer import LocalMedia
from emulator.media.port import Exhausted, Port
from emulator.phone.call import METHODS, PhoneCall
from emulator.phone.handset import Handset
from emulator.phone.outcome import Outcome
from emulator.phone.placed import Destination, PlacedCall
from emulator.phone.script import SIGNAL, Answering, Calling, Script
from emulator.phone.signal import prepare
from emulator.phone.taken import TakenCall
from emulator.sdp_body import SDP_TYPE
from emulator.sip.credentials import Credentials
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow, Path, Paths, of_transaction, sent_by
from emulator.sip.locate import Locator, Nameless
from emulator.sip.message import Request
from emulator.sip.refusal import Refusal
from emulator.sip.timers import Timers

_MESSAGES = 2000
_CALLS = 1000
"""At once; more are busy."""
_UNHEARD = 1000


class Note(NamedTuple):
    """One message: when, in seconds on the monotonic clock, whether it came, the other side's address, its octets and its path."""

    at: float
    incoming: bool
    call_id: str
    peer: str
    data: bytes
    path: Path


class Phone:
    """See the module. It is the core of its endpoint; `paths`, and `locator` where names are to be found, are set by whoever opens its
    sockets."""

    paths: Paths

    def __init__(
        self, clock: Clock, ids: Ids, open_port: Callable[[str], Port], report: Callable[[Exception], None], product: str = "vsim-phone",
        credentials: Credentials | None = None, timers: Timers | None = None,
    ) -> None:  # fmt: skip
        """`open_port(address)` opens a pair of media ports there and raises `Exhausted`; `report` is told of errors that are ours."""
        self.clock = clock
        self.ids = ids
        self.credentials = credentials
        self.locator = Locator(Nameless(), ids, clock)
        self.endpoint = Endpoint("phone", self, clock, ids, product, timers)
        self.calls: dict[PhoneCall, None] = {}
        self.notes: deque[Note] = deque(maxlen=_MESSAGES)
        """The newest messages of all calls."""
        self.findings: deque[Finding] = deque(maxlen=_MESSAGES)
        """Of messages that belong to no call, or to none any more."""
        self.tell: Callable[[str, Outcome], None] = _untold
        """See `emulator.phone.call.Keeper`."""
        self._open_port = open_port
        self._report = report
        self._answering: Answering | None = None
        self._on_call: Callable[[Outcome], None] = _ignore
        self._unheard: deque[str] = deque(maxlen=_UNHEARD)
        self._stopped: Callable[[], None] | None = None

    # -- what it is told to do ------------------------------------------------------------------------------------

    def place(self, to: Destination, caller: str, script: Calling, done: Callable[[Outcome], None]) -> PlacedCall:
        """Call a number; `done` is called once, when the call is over."""
        _prepare(script)
        call = PlacedCall(self, to, caller, script, lambda outcome: self._over(call, outcome, done))
        self.calls[call] = None
        call.start()
        return call

    def answer(self, script: Answering | None, on_call: Callable[[Outcome], None]) -> None:
        """Take calls from now on as `script` says; None refuses them with 480. `on_call` is called when each of them is over."""
        self._answering, self._on_call = script, on_call
        if script is not None:
            _prepare(script)

    def stop(self, done: Callable[[], None]) -> None:
        """Hang up whatever is up; `done` is called when that is over."""
        self._answering = None
        self._stopped = done
        for call in list(self.calls):
            call.hang_up()
        self._check_stopped()

    def _over(self, call: PhoneCall, outcome: Outcome, done: Callable[[Outcome], None]) -> None:
        self.calls.pop(call, None)
        done(outcome)
        self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stopped is not None and not self.calls:
            done, self._stopped = self._stopped, None
            done()

    def handset(self, script: Script, address: str, secure: bool = False) -> Handset:
        """See `emulator.phone.call.Keeper`."""
        port = self._open_port(address)
        local = LocalMedia(
            address, port.number, self.ids.number(1 << 31), script.codecs, lambda: self.ids.take(KEY_OCTETS), secure, take_lifetime=True
        )
        return Handset(self.clock, self.ids, port, local, script.play)

    # -- the core of the endpoint ---------------------------------------------------------------------------------

    def on_request(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """See `emulator.sip.endpoint.Core`."""
        if request.method == "INVITE":
            self._on_invite(request, flow)
        elif request.method == "OPTIONS":
            endpoint.reply(request, flow, 200, f"{METHODS.allow}Accept: {SDP_TYPE}\r\n")
        else:
            raise Refusal(405, Finding("method.not-allowed", request.method), (("Allow", METHODS.allowed),))

    def _on_invite(self, request: Request, flow: Flow) -> None:
        script = self._answering
        if script is None:
            raise Refusal(480)
        if script.silent:
            if request.call_id not in self._unheard:
                self._unheard.append(request.call_id)
                self._on_call(Outcome("taken", "", "", request.call_id, flow.transport, sent_by(flow.peer)))
            return
        if len(self.calls) >= _CALLS:
            raise Refusal(486)
        call = TakenCall(self, script, request, flow, lambda outcome: self._over(call, outcome, self._on_call))
        self.calls[call] = None
        try:
            call.start()
        except (Refusal, Exhausted) as error:
            self.calls.pop(call, None)
            refusal = error if isinstance(error, Refusal) else Refusal(500, Finding("limit.media-ports", str(error)))
            call.refused(refusal)
            self._on_call(call.outcome)
            raise refusal from None
        except Exception:
            self.calls.pop(call, None)
            raise

    def on_message(self, endpoint: Endpoint, flow: Flow, incoming: bool, call_id: str, data: bytes) -> None:
        """See `emulator.sip.endpoint.Core`."""
        if call_id:
            self.notes.append(Note(self.clock.seconds(), incoming, call_id, sent_by(flow.peer), data, flow.path))

    def on_withdrawn(self, endpoint: Endpoint, call_id: str, branch: str) -> None:
        """See `emulator.sip.endpoint.Core`."""
        for at, note in enumerate(self.notes):
            if note.call_id == call_id and not note.incoming and of_transaction(note.data, branch):
                self.notes[at] = note._replace(path=note.path.never())

    def on_finding(self, endpoint: Endpoint, flow: Flow, call_id: str, finding: Finding, status: int, method: str = "") -> None:
        """See `emulator.sip.endpoint.Core`."""
        for call in self.calls:
            if call.outcome.call_id == call_id:
                call.outcome.finding(finding)
                return
        self.findings.append(finding)

    def on_error(self, endpoint: Endpoint, flow: Flow, call_id: str, error: Exception) -> None:
        """See `emulator.sip.endpoint.Core`."""
        self._report(error)

    # -- what was ------------------------------------------------------------------------------------------------

    def ladder(self, outcome: Outcome) -> dict[str, Any]:
        """A call as `emulator.journal.ladder` draws it: the phone stands on the right."""
        notes = [note for note in self.notes if note.call_id == outcome.call_id]
        first = notes[0].at if notes else 0.0
        return {
            "peer": outcome.peer,
            "proxy": "phone",
            "messages": [
                {
                    "at": note.at - first,
                    "incoming": note.incoming,
                    "sent": note.path.connected,
                    "flow": note.peer,
                    "text": note.data.decode("utf-8", "replace"),
                }
                for note in notes
            ],
        }


def _prepare(script: Script) -> None:
    if script.play == SIGNAL:
        prepare(codec.name for codec in script.codecs)


def _untold(what: str, outcome: Outcome) -> None:
    """Nobody watches."""


def _ignore(outcome: Outcome) -> None:
    """Nobody wants to know."""
