"""An endpoint that calls a scripted callee: an in-memory network on a stepped clock, and a user that notes what it hears."""

from collections.abc import Callable
from typing import Any

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.sip.calling import Invitation
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.message import Request, Response
from emulator.sip.session import Session
from emulator.sip.timers import SessionTimerPolicy
from tests.support.callee import Callee
from tests.support.network import MemoryFlow

OFFER = b"v=0\r\no=- 1 1 IN IP4 127.0.13.1\r\ns=-\r\nc=IN IP4 127.0.13.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 0\r\n"
SDP_LINE = "Content-Type: application/sdp\r\n"
CONTACT = "Contact: <sip:447700900000@127.0.13.1:5060>\r\n"
ASKS = SessionTimerPolicy(ask=True, interval=1800)


class Core:
    """Nobody: what belongs to no dialog is refused, errors of ours fail the test."""

    def __init__(self) -> None:
        self.findings: list[str] = []

    def on_request(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        endpoint.reply(request, flow, 501)

    def on_message(self, endpoint: Endpoint, flow: Flow, incoming: bool, call_id: str, data: bytes) -> None:
        """Nothing is kept."""

    def on_withdrawn(self, endpoint: Endpoint, call_id: str, branch: str) -> None:
        """Nothing was kept."""

    def on_finding(self, endpoint: Endpoint, flow: Flow, call_id: str, finding: Finding, status: int, method: str = "") -> None:
        self.findings.append(finding.code)

    def on_error(self, endpoint: Endpoint, flow: Flow, call_id: str, error: Exception) -> None:
        raise error


class Caller:
    """A `CallingUser`. `heard` is what it was told, one word or two each; `accept` decides on a 2xx."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.session: Session | None = None
        self.accept: Callable[[Response, Session], tuple[str, bytes] | None] = lambda response, session: ("", b"")
        self.provisional: Callable[[Response], None] = lambda response: None
        self.findings: list[str] = []
        self.answers: list[bytes] = []

    def on_reliable(self, response: Response) -> tuple[str, bytes]:
        return "", b""

    def on_provisional(self, response: Response) -> None:
        self.heard.append(str(response.status))
        self.provisional(response)

    def on_accepted(self, response: Response, session: Session) -> tuple[str, bytes] | None:
        self.heard.append(f"accepted {response.to_tag}")
        self.session = session
        return self.accept(response, session)

    def on_refused(self, response: Response) -> None:
        self.heard.append(f"refused {response.status}")

    def on_failed(self, why: str, kind: str) -> None:
        self.heard.append(f"{kind}: {why}")

    def on_late(self, response: Response) -> None:
        self.heard.append(f"late {response.to_tag}")

    def on_reinvite(self, request: Request, flow: Flow) -> tuple[str, bytes, bool]:
        self.heard.append("re-INVITE")
        return CONTACT + SDP_LINE, OFFER, not request.body

    def on_refused_reinvite(self, request: Request) -> None:
        self.heard.append("re-INVITE refused")

    def on_answer(self, request: Request) -> None:
        self.answers.append(request.body)

    def on_refresh(self) -> tuple[str, bytes]:
        self.heard.append("refresh")
        return CONTACT + SDP_LINE, OFFER

    def on_refreshed(self, response: Response) -> None:
        self.heard.append("refreshed")

    def on_finding(self, finding: Finding) -> None:
        self.findings.append(finding.code)

    def on_options(self, request: Request) -> tuple[str, bytes]:
        return "Allow: INVITE\r\n", b""

    def on_info(self, request: Request) -> None:
        self.heard.append("INFO")

    def on_ended(self, by: str) -> None:
        self.heard.append(f"ended {by}")


class CallNetwork:
    """One endpoint, its clock, one callee."""

    def __init__(self, transport: str = "UDP", seed: int = 1) -> None:
        self.clock = SteppedClock()
        self.core = Core()
        self.endpoint = Endpoint("caller", self.core, self.clock, Ids(seed), "vsim/test")
        self.flow = MemoryFlow(lambda data: self.callee.receive(data), transport)
        self.callee = Callee(lambda data: self.endpoint.receive(data, self.flow), transport=transport)
        self.user = Caller()

    def invitation(self, **how: Any) -> Invitation:
        return Invitation(
            self.endpoint, self.flow, "sip:14155550100@192.0.2.10:5070", "<sip:447700900000@sip.nexmo.com>",
            "<sip:14155550100@sip.nexmo.com>", CONTACT + SDP_LINE, OFFER, self.user, **how,
        )  # fmt: skip

    def invite(self, **how: Any) -> Invitation:
        """An INVITE that the callee has."""
        invitation = self.invitation(**how)
        invitation.send()
        self.callee.expect("INVITE")
        return invitation

    def call(self, extra: str = "", **how: Any) -> Session:
        """A call that is up."""
        self.invite(**how)
        self.callee.accept(extra)
        self.callee.expect("ACK")
        self.user.heard.clear()
        assert self.user.session is not None
        return self.user.session

    @property
    def idle(self) -> bool:
        """Nothing is left over."""
        return not self.endpoint.dialogs and not self.endpoint.transactions and not self.clock.pending

    def rest(self) -> None:
        """Let every timer run out; whatever still comes is answered by nobody."""
        self.clock.advance(100)
        assert self.idle, (self.endpoint.dialogs, self.endpoint.transactions, self.clock.pending)

    def lose(self) -> None:
        """The flow breaks."""
        self.flow.open = False
        self.flow.failure = "connection reset"
        self.endpoint.flow_lost(self.flow)
