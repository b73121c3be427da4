"""A re-INVITE of ours inside a dialog (RFC 3261 14.1): sent, acknowledged, repeated after glare."""

from collections.abc import Callable

from emulator.clock import Timer
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.message import Response
from emulator.sip.transaction import Outgoing

_GLARE_STEPS = 200
"""0 to 2 s "in units of 10 ms": for the side that does not own the Call-ID, as the called one never does (14.1)."""
_GONE = (408, 481)


class Reinvite:
    """One attempt after the other until it is answered, refused, or given up."""

    __slots__ = (
        "_body", "_dialog", "_done", "_endpoint", "_flow", "_headers", "_on_gone", "_sent", "_stopped", "_timer",
    )  # fmt: skip

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        flow: Callable[[], Flow],
        headers: str,
        body: bytes,
        done: Callable[[Response | None], None],
        on_gone: Callable[[], None],
    ) -> None:
        """`headers` is header lines, Content-Type included; `done` gets the 2xx, or the refusal that ended it,
        or None when there was no answer; `on_gone` hears that the peer does not know the dialog any more (408, 481, silence)."""
        self._endpoint = endpoint
        self._dialog = dialog
        self._flow = flow
        self._headers = headers
        self._body = body
        self._done = done
        self._on_gone = on_gone
        self._sent: Outgoing | None = None
        self._timer: Timer | None = None
        self._stopped = False

    def send(self) -> None:
        """One attempt."""
        self._timer = None
        flow = self._flow()
        branch, via = self._endpoint.via(flow)
        self._sent = self._dialog.request("INVITE", via, self._headers, self._body)
        self._endpoint.send(self._sent, branch, flow, self)

    def stop(self) -> None:
        """The dialog is over: a final response that still comes is acknowledged and nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_response(self, response: Response) -> None:
        """See `emulator.sip.transaction.ClientUser`."""
        status = response.status
        if status < 200:
            return
        if status < 300:
            self._acknowledge()
        if self._stopped:
            return
        if status == 491:
            wait = self._endpoint.ids.number(_GLARE_STEPS + 1) / 100
            self._timer = self._endpoint.clock.call_later(wait, self.send)
            return
        self._stopped = True  # a retransmitted 2xx is acknowledged again, above, and changes nothing
        if status in _GONE:
            self._on_gone()
        else:
            self._done(response)

    def on_timeout(self) -> None:
        """No final response: as good as a 408 (8.1.3.1)."""
        if not self._stopped:
            self._stopped = True
            self._on_gone()

    def on_transport_failure(self) -> None:
        """The connection has gone: as good as a 503 (8.1.3.1)."""
        if not self._stopped:
            self._stopped = True
            self._done(None)

    def _acknowledge(self) -> None:
        """The ACK of a 2xx is a request of its own, with the INVITE's CSeq number (13.2.2.4)."""
        assert self._sent is not None
        flow = self._flow()
        _, via = self._endpoint.via(flow)
        ack = self._dialog.request("ACK", via, sequence=self._sent.cseq)
        self._endpoint.transmit(flow, ack.encode(), self._dialog.call_id)
