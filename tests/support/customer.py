"""A customer with an address of its own who takes any number of calls, and a script for each; it imports nothing of `emulator`."""

from collections.abc import Callable

from tests.support.callee import Callee
from tests.support.phone import Received

Script = Callable[[Callee], None]
"""Called with each new INVITE, which `Callee.invited` holds."""


class Customer:
    """Hands what comes to the `Callee` of its Call-ID and From tag, making one for each new INVITE."""

    def __init__(self, host: str = "192.0.2.10", port: int = 5080, transport: str = "UDP", script: Script | None = None) -> None:
        self.host = host
        self.port = port
        self.transport = transport
        self.script = script
        self.calls: list[Callee] = []
        self._known: dict[tuple[str, str], Callee] = {}

    def receive(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """A message came; `send` is the way back."""
        message = Received(data)
        from_ = message.get("from") if not message.status else message.get("to")
        key = (message.get("call-id") or "", (from_ or "").partition(";tag=")[2])
        callee = self._known.get(key)
        new = callee is None
        if callee is None:
            callee = Callee(send, self.host, self.port, self.transport)
            callee.tag = f"callee{len(self.calls)}"
            self.calls.append(callee)
            self._known[key] = callee
        callee.receive(data)
        if new and message.method == "INVITE":
            callee.invited = message
            if self.script is not None:
                self.script(callee)

    @property
    def call(self) -> Callee:
        """The newest call."""
        return self.calls[-1]


def answers(status: int, extra: str | None = None, body: str = "") -> Script:
    """One response to each INVITE."""
    return lambda callee: callee.answer(status, extra, body) and None


def accepts(callee: Callee) -> None:
    """200 to each INVITE, with SDP."""
    callee.accept()
