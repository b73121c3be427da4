"""A name server of the tests: a UDP socket of the loopback, what it was asked, and answers made of text. Knows nothing of `emulator`."""

import socket
from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rrset


def reply(
    query: bytes, *answer: str, rcode: int = 0, authority: Sequence[str] = (), additional: Sequence[str] = (), cut: bool = False
) -> bytes:
    """An answer to `query`; each record as `NAME TYPE DATA`. `cut` sets TC."""
    response = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    response.set_rcode(rcode)  # type: ignore[arg-type]
    if cut:
        response.flags |= dns.flags.TC
    for section, texts in ((response.answer, answer), (response.authority, authority), (response.additional, additional)):
        sets: dict[tuple[str, str], list[str]] = {}
        for text in texts:
            name, kind, data = text.split(" ", 2)
            sets.setdefault((name, kind), []).append(data)
        section.extend(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *data) for (name, kind), data in sets.items())
    return response.to_wire(max_size=65535, want_shuffle=False)


class NameServer:
    """One that answers when it is told to; the loopback delivers at once, so nothing here waits."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        self.asked: list[tuple[bytes, tuple[str, int]]] = []
        """Queries and whom they came from, those not yet answered the last."""

    def __str__(self) -> str:
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def heard(self) -> list[tuple[bytes, tuple[str, int]]]:
        """What has come since the last time."""
        new = []
        while True:
            try:
                new.append(self.socket.recvfrom(65535))
            except BlockingIOError:
                self.asked += new
                return new

    def questions(self) -> list[str]:
        """What has come since the last time, as `NAME TYPE`."""
        texts = []
        for query, _ in self.heard():
            (asked,) = dns.message.from_wire(query).question
            texts.append(f"{asked.name.to_text(omit_final_dot=True)} {asked.to_text().split(' ')[2]}")
        return texts

    def send(self, data: bytes, which: int = -1) -> None:
        """Send octets to whoever asked a question; the last one if no other is named."""
        self.heard()
        self.socket.sendto(data, self.asked[which][1])

    def say(self, *answer: str, which: int = -1, rcode: int = 0, cut: bool = False) -> None:
        """Answer a question, the last one if no other is named."""
        self.heard()
        self.send(reply(self.asked[which][0], *answer, rcode=rcode, cut=cut), which)

    def close(self) -> None:
        self.socket.close()
