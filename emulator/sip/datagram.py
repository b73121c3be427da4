"""The UDP side of one proxy: its socket, a flow for each peer, and what ICMP says of peers that can't be reached (RFC 3261 18.4)."""

import errno
import socket
import sys
from typing import Any

from twisted.internet.interfaces import IHalfCloseableDescriptor, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.problems import in_words, no_way
from emulator.sip import icmp
from emulator.sip.flow import ANY_ADDRESS, Address, Path, sent_by
from emulator.sip.transport import Receiver

_READS_PER_WAKE = 16
_ERRORS_PER_WAKE = 64
_MAX_DATAGRAM = 65535
_RECEIVE_BUFFER = 4 << 20
_FLOWS_KEPT = 4096
_FAILURES_KEPT = 1024
_ERROR_OCTETS = 512  # of the datagram that did not arrive, and of what is told about it
_BUSY = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)  # of the system's buffers: nothing that the peer has to do with


class UdpFlow:
    """A datagram path: one listener and one peer address."""

    __slots__ = ("_listener", "local", "path", "peer", "sent_by")

    transport = "UDP"
    reliable = False
    open = True
    ours = False
    coming = ""

    def __init__(self, listener: "UdpListener", peer: Address) -> None:
        self._listener = listener
        self.peer = peer
        self.local = listener.local
        self.path = Path("UDP", listener.local if listener.bound[0] in ANY_ADDRESS else listener.bound, peer)
        self.sent_by = listener.sent_by

    @property
    def failure(self) -> str:
        return self._listener.failures.get(self.peer, "")

    def send(self, data: bytes) -> None:
        self._listener.send(data, self.peer)

    def withdraw(self, branch: str) -> bool:
        return False  # a datagram waits for nothing

    def reset(self) -> None:
        """There is no connection."""

    def answers_at(self, port: int) -> None:
        """Nothing to note: a datagram needs no connection."""

    def to(self, peer: Address) -> "UdpFlow":
        return self._listener.flow(peer)


@implementer(IReadDescriptor, IHalfCloseableDescriptor)
class UdpListener:
    """One UDP socket, read by the reactor directly: a datagram costs no protocol object and no second call."""

    def __init__(self, reactor: Any, receiver: Receiver, bind: Address, advertise: str | None = None) -> None:
        """Binds at once; raises `OSError` when it can't. `advertise` replaces the bound host in Via and Contact."""
        self._reactor = reactor
        self.receive = receiver.receive
        """Takes what arrives."""
        self._flow_lost = receiver.flow_lost
        self._open(bind)
        self.bound: Address = (bind[0], self._socket.getsockname()[1])
        self.local: Address = (advertise or bind[0], self.bound[1])
        self.sent_by = sent_by(self.local)
        self._flows: dict[Any, UdpFlow] = {}
        self.failures: dict[Address, str] = {}
        """Why the last datagram to a peer did not arrive, where that was told; forgotten when a new path to it is asked for."""
        self._held: list[tuple[bytes, Address]] | None = None
        """What is said while datagrams are read, for whom; None while none are."""
        self.unsent = 0
        """Datagrams the system would not take."""

    def _open(self, bind: Address) -> None:
        family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
        self._socket = sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # the default loses bursts
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 peers would have addresses of neither family
            if sys.platform == "linux":
                six = family == socket.AF_INET6
                sock.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, icmp.IPV6_RECVERR if six else icmp.IP_RECVERR, 1)
            sock.bind(bind)
        except OSError:
            sock.close()
            raise
        # Read into one buffer and copied: a message that is kept would else keep the pages of the largest datagram there could be.
        self._buffer = bytearray(_MAX_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._recvfrom_into = sock.recvfrom_into
        self._sendto = sock.sendto

    def reopen(self) -> None:
        """Bind again where it was bound before `stop`, and read. Raises `OSError`."""
        self._open(self.bound)
        self.start()

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Stop reading and close the socket; harmless when done before."""
        if self._socket.fileno() >= 0:
            self._release()
            self._reactor.removeReader(self)
            self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return f"sip udp {self.sent_by}"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor closes its readers when it stops."""
        self._socket.close()

    def readConnectionLost(self, reason: Failure) -> None:
        """The reactor takes an error without a datagram for the end of what can be read, and has removed its reader."""
        self._read_errors()
        if self._socket.fileno() >= 0:
            self._reactor.addReader(self)

    def writeConnectionLost(self, reason: Failure) -> None:
        """Nothing is written through the reactor."""

    def doRead(self) -> None:
        """Read what has come, and send together what is said to it: whoever hears several things is woken once, and that is what costs."""
        self._held = []
        try:
            self._read()
        finally:
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        for data, peer in held or ():
            self.send(data, peer)

    def _read(self) -> None:
        recvfrom_into, buffer, view, receive, flows = self._recvfrom_into, self._buffer, self._view, self.receive, self._flows
        for _ in range(_READS_PER_WAKE):
            try:
                length, address = recvfrom_into(buffer)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier send
                self._read_errors()
                continue
            data = bytes(view[:length])
            if length <= 4 and data in (b"", b"\r\n", b"\r\n\r\n", b"\x00"):
                continue  # keep-alives that some clients send over UDP; nothing is owed for them
            receive(data, flows.get(address) or self.flow(address[:2]))

    def flow(self, peer: Address) -> UdpFlow:
        flow = self._flows.get(peer)
        if flow is None:
            if len(self._flows) >= _FLOWS_KEPT:
                self._flows.clear()  # a flow holds no state: making it anew costs a microsecond
            self._flows[peer] = flow = UdpFlow(self, peer)
        return flow

    def path(self, peer: Address) -> UdpFlow:
        """The flow to a peer, tried anew: what was known of its failure is forgotten."""
        self.failures.pop(peer, None)
        return self.flow(peer)

    def send(self, data: bytes, peer: Address) -> None:
        if self._held is not None:
            self._held.append((data, peer))
            return
        try:
            self._sendto(data, peer)
        except (OSError, OverflowError) as problem:
            self._not_sent(data, peer, problem)

    def _not_sent(self, data: bytes, peer: Address, problem: OSError | OverflowError) -> None:
        """The error may be an ICMP one of an earlier datagram, whomever that was for: the first call after it reports it, and does nothing
        else. So this one is sent again, once; the error queue is read when the reactor says that it holds something."""
        try:
            self._sendto(data, peer)
        except (OSError, OverflowError) as again:
            problem = again
        else:
            return
        self.unsent += 1
        if isinstance(problem, OSError) and problem.errno not in _BUSY:
            # in a turn of its own: whoever sends is in the middle of something
            self._reactor.callLater(0, self._lose, peer, no_way(problem.errno, self.bound[0], peer[0]) or in_words(problem))
        # else: UDP promises nothing, and retransmission is the transaction's

    def _read_errors(self) -> None:
        """Empty the error queue, or as much of it as one wake-up may take; the reactor comes back for the rest."""
        lost: dict[Address, str] = {}
        if sys.platform != "linux":
            return
        try:
            for _ in range(_ERRORS_PER_WAKE):
                _, ancillary, _, address = self._socket.recvmsg(_ERROR_OCTETS, _ERROR_OCTETS, socket.MSG_ERRQUEUE)
                why = icmp.failure(ancillary)
                if why is not None and address:
                    lost[address[:2]] = why
        except OSError:
            pass  # it is empty, or the socket is closed
        for peer, why in lost.items():
            self._lose(peer, why)

    def _lose(self, peer: Address, why: str) -> None:
        if len(self.failures) >= _FAILURES_KEPT:
            del self.failures[next(iter(self.failures))]
        self.failures[peer] = why
        self._flow_lost(self.flow(peer))
