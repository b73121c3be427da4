"""A request of ours inside a dialog, other than INVITE and ACK (RFC 3261 12.2.1): sent, and sent again when it is challenged."""

from collections.abc import Callable

from emulator.sip.credentials import Answers
from emulator.sip.dialog import Dialog
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.message import Response


class DialogRequest:
    """One request until it is answered or has failed."""

    __slots__ = ("_answering", "_body", "_dialog", "_done", "_endpoint", "_flow", "_headers", "_method")

    def __init__(
        self, endpoint: Endpoint, dialog: Dialog, flow: Callable[[], Flow], method: str, headers: str, done: Callable[[], None],
        answers: Answers | None, body: bytes = b"",
    ) -> None:  # fmt: skip
        """`headers` is header lines, with Content-Type where there is a `body`; `done` is called once, when there is a final response or
        there will be none."""
        self._endpoint = endpoint
        self._dialog = dialog
        self._flow = flow
        self._method = method
        self._headers = headers
        self._body = body
        self._done = done
        self._answering = answers.request() if answers is not None else None

    def send(self) -> None:
        """One attempt."""
        flow = self._flow()
        branch, via = self._endpoint.via(flow)
        request = self._dialog.request(self._method, via, self._headers, self._body)
        if self._answering is not None:
            request.credentials = self._answering.lines(self._method, request.uri)
        self._endpoint.send(request, branch, flow, self)

    def on_response(self, response: Response) -> None:
        """See `emulator.sip.transaction.ClientUser`."""
        if response.status >= 200:
            if self._answering is not None and self._answering.take(response):
                self.send()
            else:
                self._done()

    def on_timeout(self) -> None:
        self._done()

    def on_transport_failure(self) -> None:
        self._done()
