"""A re-INVITE of ours inside a dialog (RFC 3261 14.1): sent, acknowledged, repeated after glare, a 422 or a challenge."""

from collections.abc import Callable

from emulator.clock import Timer
from emulator.sip.credentials import Answers
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.headers import HeaderError
from emulator.sip.message import Response
from emulator.sip.session_timer import Proposal
from emulator.sip.transaction import InviteClient, NonInviteClient, Outgoing

# After a 491 each side waits "a randomly chosen value ... in units of 10 ms": first step, and how many there are (14.1).
_OWNER_GLARE = (210, 191)  # 2.1 to 4 s, for the owner of the Call-ID
_OTHER_GLARE = (0, 201)  # 0 to 2 s
_GLARES = 8  # so many 491 are waited out; a peer that says nothing else is taken at its word
Renewal = tuple[Callable[[], None], Callable[[], bytes]]
"""How an offer is withdrawn and made anew, where an offer of the other side's comes first."""
_PATIENCE = 180.0
"""How long a re-INVITE may stay without a final response once a provisional one has come, in seconds: as timer C has it (16.6)."""
GONE = (408, 481)
"""Refusals that say the peer does not know the dialog any more (12.2.1.2)."""


class Reinvite:
    """One attempt after the other until it is answered, refused, or given up."""

    __slots__ = (
        "_ack", "_answering", "_body", "_client", "_dialog", "_done", "_endpoint", "_flow", "_glares", "_headers", "_limit",
        "_may_send", "_owns_call_id", "_proposal", "_renewal", "_sent", "_stopped", "_timer", "_yielded", "refreshes",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        flow: Callable[[], Flow],
        headers: str,
        body: bytes,
        done: Callable[[Response | None, bool], None],
        proposal: Proposal | None,
        owns_call_id: bool,
        answers: Answers | None = None,
        may_send: Callable[[], bool] = lambda: True,
        renewal: Renewal | None = None,
        refreshes: bool = False,
    ) -> None:
        """`headers` is header lines, Content-Type included; `proposal` adds those of the session timer, `answers` those of digest.

        `done` gets the 2xx, or the refusal that ended it, or None when there was no answer; and whether the peer does not know the dialog
        any more (408, 481, silence). `may_send` is asked after a glare. `renewal` is for an offer that is not just to be sent again when
        one of the other side's came first; `refreshes` says that it changes nothing, and is not needed then.
        """
        self.refreshes = refreshes
        self._may_send = may_send
        self._renewal = renewal
        self._yielded = False  # the offer was withdrawn, and is to be made anew
        self._endpoint = endpoint
        self._dialog = dialog
        self._flow = flow
        self._headers = headers
        self._body = body
        self._done = done
        self._proposal = proposal
        self._owns_call_id = owns_call_id
        self._answering = answers.request() if answers is not None else None
        self._sent: Outgoing | None = None
        self._ack = b""
        self._glares = 0
        self._timer: Timer | None = None  # after a 491
        self._limit: Timer | None = None  # after a provisional response, which ends timer B
        self._client: InviteClient | NonInviteClient | None = None
        self._stopped = False

    @property
    def under_way(self) -> bool:
        """An INVITE has been sent and is not answered; False while the next one waits after a glare."""
        return self._timer is None

    def give_way(self) -> None:
        """While it waits, a re-INVITE of the other side's is about to be answered."""
        if self._renewal is not None and not self._yielded:
            self._yielded = True
            withdraw, _ = self._renewal
            withdraw()

    def _again(self) -> None:
        """After a glare, once nothing else is under way (14.1)."""
        if not self._may_send():
            self._timer = self._endpoint.clock.call_later(self._endpoint.timers.t1, self._again)
            return
        if self._yielded and self._renewal is not None:
            self._yielded = False
            _, offer = self._renewal
            self._body = offer()
        self.send()

    def send(self) -> None:
        """One attempt."""
        self._timer = None
        flow = self._flow()
        branch, via = self._endpoint.via(flow)
        headers = self._headers if self._proposal is None else self._headers + self._proposal.headers
        self._sent = self._dialog.request("INVITE", via, headers, self._body)
        if self._answering is not None:
            self._sent.credentials = self._answering.lines("INVITE", self._sent.uri)
        self._client = self._endpoint.send(self._sent, branch, flow, self)

    def stop(self) -> None:
        """The dialog is over: a final response that still comes is acknowledged and nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._limit is not None:
            self._wait()

    def on_response(self, response: Response) -> None:
        """See `emulator.sip.transaction.ClientUser`."""
        status = response.status
        if status < 200:
            if self._limit is None:
                self._wait()
            return
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if status < 300:
            if not self._ack:
                self._move_target(response)  # which the ACK goes to already (12.2.1.2)
            self._acknowledge()
        if self._stopped:
            return
        if status == 491 and self._glares < _GLARES:
            self._glares += 1
            first, steps = _OWNER_GLARE if self._owns_call_id else _OTHER_GLARE
            wait = (first + self._endpoint.ids.number(steps)) / 100
            self._timer = self._endpoint.clock.call_later(wait, self._again)
        elif (self._proposal is not None and self._proposal.raised(response)) or (
            self._answering is not None and self._answering.take(response)
        ):
            self.send()
        else:
            self._stopped = True  # a retransmitted 2xx is acknowledged again, above, and changes nothing
            self._done(response, status in GONE)

    def _wait(self) -> None:
        """A provisional response has come, and a final one must follow; not for long when the dialog is over."""
        if self._limit is not None:
            self._limit.cancel()
        seconds = self._endpoint.timers.give_up if self._stopped else _PATIENCE
        self._limit = self._endpoint.clock.call_later(seconds, self._on_no_final)

    def _on_no_final(self) -> None:
        assert self._client is not None
        self._limit = None
        self._client.terminate()
        self.on_timeout()

    def on_timeout(self) -> None:
        """No final response: as good as a 408 (8.1.3.1)."""
        if not self._stopped:
            self._stopped = True
            self._done(None, True)

    def on_transport_failure(self) -> None:
        """The connection has gone: as good as a 503 (8.1.3.1)."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if not self._stopped:
            self._stopped = True
            self._done(None, False)

    def _move_target(self, response: Response) -> None:
        try:
            self._dialog.refresh_target(response)
        except HeaderError:
            pass  # as for a request: a broken Contact moves nothing

    def _acknowledge(self) -> None:
        """The ACK of a 2xx is a request of its own, with the INVITE's CSeq number, and the same for each retransmission (13.2.2.4)."""
        assert self._sent is not None
        flow = self._flow()
        if not self._ack:
            _, via = self._endpoint.via(flow)
            ack = self._dialog.request("ACK", via, sequence=self._sent.cseq)
            ack.credentials = self._sent.credentials
            self._ack = ack.encode()
        self._endpoint.transmit(flow, self._ack, self._dialog.call_id)
