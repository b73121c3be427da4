"""One media port for all calls of an address, which are told apart by where their descriptions say that their media comes from."""

import socket
from collections.abc import Callable, Iterable

from emulator.media.echo import Slot
from emulator.media.port import Exhausted
from emulator.media.sockets import CROSSING_SECONDS, LATE_SECONDS, NOWHERE, Address, Selector, Source, datagram_socket
from emulator.media.stream import Stream
from emulator.problems import in_words

_ATTEMPTS = 64
_TELLING_SECONDS = 10.0
"""How often strangers on a shared port are told of."""
_GONE = 1000
"""Calls whose late packets are told from a stranger's on a shared port."""
_BUFFER = 4 << 20
_READS = 512
"""Packets read from a shared port before the others have their turn."""


class SharedPort:
    """What one call has of a port that all calls of an address share: its place in the table of those that may send there."""

    __slots__ = ("_announced", "_group", "_remote", "_rtcp_announced", "_rtcp_remote", "_shown", "number", "stream")

    def __init__(self, group: "_Shared") -> None:
        self._group = group
        self._announced: Address | None = None
        self._remote: Address | None = None  # where it has moved, which is elsewhere when a NAT stands between
        self._rtcp_announced: Address | None = None
        self._rtcp_remote: Address | None = None
        self._shown: tuple[str, bytes] | None = None  # what a report has to come from that shows the port for RTCP
        self.stream: Stream | None = None
        self.number = group.number

    def attach(self, stream: Stream) -> None:
        """See `emulator.media.port.Port`."""
        agreement, group = stream.agreement, self._group
        if self.stream is None:
            group.ports.selector.streams += 1
        self.stream = stream
        if agreement.remote[0] in NOWHERE:
            return
        moves = agreement.remote != self._announced or stream.address_taken
        if moves:  # said again it moves no call from where its first packet was
            self._announced = agreement.remote
            group.waiting.add(self, agreement.remote[1])
            self._move(agreement.remote)
        rtcp = agreement.remote_rtcp or agreement.remote
        if moves or rtcp != self._rtcp_announced:
            self._rtcp_announced = rtcp
            self._aim_rtcp(rtcp, group.rtp if rtcp == agreement.remote else group.rtcp)

    def _aim_rtcp(self, remote: Address, sock: socket.socket) -> None:
        stream = self.stream
        assert stream is not None
        self._leave_rtcp()
        if self._group.by_rtcp_peer.setdefault(remote, stream) is stream:
            self._rtcp_remote = remote
        stream.aimed_rtcp(remote if sock is self._group.rtcp else None)
        stream.send_rtcp = lambda data: sock.sendto(data, remote)

    def latch(self, peer: Address, source: bytes) -> None:
        """The first packet came from there, with that SSRC: a NAT stands between, and moves RTCP as well, to a port that shows later."""
        self._move(peer)
        if self._rtcp_announced == self._announced:
            self._aim_rtcp(peer, self._group.rtp)
        else:
            self._shown = (peer[0], source)
            self._group.moved.setdefault(self._shown, self)

    def report(self, peer: Address, data: bytes) -> None:
        """RTCP from the right address and source; the first that is whole shows the port, once."""
        stream = self.stream
        assert stream is not None
        before = stream.reports
        stream.receive_rtcp(data, peer)
        if stream.reports > before:
            self._aim_rtcp(peer, self._group.rtcp)

    def _move(self, remote: Address) -> None:
        group, stream = self._group, self.stream
        assert stream is not None
        if group.by_peer.get(remote, self) is not self:
            # Whoever came first keeps it: a description must not fetch another call's media. Until that is over this one waits.
            stream.address_taken = True
            group.heirs[self] = None
            return
        stream.address_taken = False
        group.heirs.pop(self, None)
        if self._remote is not None and group.by_peer.get(self._remote) is self:
            del group.by_peer[self._remote]
        self._remote = remote
        group.by_peer[remote] = self
        stream.aimed((group.address, group.number), remote)
        sendto = (group.rtcp if stream.plan.other_port else group.rtp).sendto
        stream.send = lambda data: sendto(data, remote)

    def _leave_rtcp(self) -> None:
        if self._rtcp_remote is not None:
            del self._group.by_rtcp_peer[self._rtcp_remote]
            self._rtcp_remote = None
        if self._shown is not None and self._group.moved.get(self._shown) is self:
            del self._group.moved[self._shown]
        self._shown = None

    @property
    def latches(self) -> bool:
        """Whether the first packet may still say where the client really is."""
        return self.stream is not None and not self.stream.heard.packets

    def close(self) -> None:
        """See `emulator.media.port.Port`."""
        if self in self._group.calls:
            self._group.calls.discard(self)
            self._group.waiting.drop(self)
            self._group.heirs.pop(self, None)
            if self.stream is not None:
                self._group.ports.selector.streams -= 1
            if self._remote is not None and self._group.by_peer.get(self._remote) is self:
                del self._group.by_peer[self._remote]
                if self.stream is not None:
                    self._group.ended(self._remote, self.stream)
            self._leave_rtcp()
            if self._remote is not None:
                self._group.hand_on(self._remote)


class _Waiting:
    """Calls that have heard nothing yet. Who has is taken out when met: a stranger's packet must not cost a walk over all calls."""

    def __init__(self) -> None:
        self._ports: dict[SharedPort, int] = {}
        self._by_port: dict[int, dict[SharedPort, None]] = {}

    def add(self, call: SharedPort, port: int) -> None:
        """A call, and the port that its client announced."""
        self.drop(call)
        self._ports[call] = port
        self._by_port.setdefault(port, {})[call] = None

    def drop(self, call: SharedPort) -> None:
        """It waits no more; harmless when it did not."""
        port = self._ports.pop(call, None)
        if port is not None:
            calls = self._by_port[port]
            del calls[call]
            if not calls:
                del self._by_port[port]

    def meant(self, port: int, several: bool) -> SharedPort | None:
        """Whose a packet from `port` is: that of the only call that waits, or with `several` of the only one that announced this port."""
        found = self._first_two(self._ports)
        if len(found) == 2 or several:
            found = self._first_two(self._by_port.get(port, ()))
        return found[0] if len(found) == 1 else None

    def _first_two(self, calls: Iterable[SharedPort]) -> list[SharedPort]:
        found: list[SharedPort] = []
        heard: list[SharedPort] = []
        for call in calls:
            (found if call.latches else heard).append(call)
            if len(found) == 2:
                break
        for call in heard:
            self.drop(call)
        return found


class _Shared:
    """The two sockets that the calls of one address share."""

    def __init__(self, ports: "SharedPorts", rtp: socket.socket, rtcp: socket.socket) -> None:
        self.ports = ports
        self.rtp, self.rtcp = rtp, rtcp
        self.address: str = rtp.getsockname()[0]
        self.number: int = rtp.getsockname()[1]
        self.calls: set[SharedPort] = set()
        self.waiting = _Waiting()
        self.by_peer: dict[Address, SharedPort] = {}
        self.by_rtcp_peer: dict[Address, Stream] = {}
        self.moved: dict[tuple[str, bytes], SharedPort] = {}
        """Calls that are behind a NAT, and whose RTCP has not come yet, by address and SSRC of their RTP."""
        self._gone: dict[Address, tuple[Stream, float]] = {}
        """Calls that ended lately, the first one first: what their clients still send is theirs."""
        self.heirs: dict[SharedPort, None] = {}
        """Calls that have announced the address of another, the first one first."""
        self._from = Source(rtp)
        self._rtcp_from = Source(rtcp)
        ports.selector.add(rtp, self._on_rtp, self._from, self._straight, _READS)
        ports.selector.add(rtcp, self._on_rtcp, self._rtcp_from, reads=_READS)

    def _straight(self, slot: Slot, length: int) -> bool | None:
        """See `emulator.media.echo.Straight`."""
        port = self.by_peer.get(self._from.peer)
        if port is None or port.stream is None or port.stream.straight is None:
            return None
        return port.stream.straight(slot, length)

    def _on_rtp(self, buffer: bytearray, view: memoryview, length: int) -> None:
        port = self.by_peer.get(self._from.peer) or self._latched(self._from.peer, view, length)
        if port is not None and port.stream is not None:
            port.stream.reader(buffer, view, length)

    def _on_rtcp(self, buffer: bytearray, view: memoryview, length: int) -> None:
        stream = self.by_rtcp_peer.get(self._rtcp_from.peer)
        if stream is not None:
            stream.receive_rtcp(bytes(view[:length]))
        elif (call := self.moved.get((self._rtcp_from.peer[0], bytes(view[4:8])))) is not None:
            call.report(self._rtcp_from.peer, bytes(view[:length]))

    def hand_on(self, peer: Address) -> None:
        """A call is over, and another one has announced the address of its client: one that calls again before its BYE has come does."""
        heir = next((call for call in self.heirs if call._announced == peer), None)
        if heir is not None and heir.stream is not None:
            heir.attach(heir.stream)

    def ended(self, peer: Address, stream: Stream) -> None:
        """The call of this client is over."""
        now = self.ports.selector.clock.seconds()
        gone = self._gone
        gone.pop(peer, None)
        gone[peer] = (stream, now)
        while len(gone) > _GONE or now - next(iter(gone.values()))[1] >= LATE_SECONDS:
            del gone[next(iter(gone))]

    def _since_end(self, peer: Address) -> float:
        """How long the call of this client has been over; LATE_SECONDS or more when it has had none lately."""
        gone = self._gone.get(peer)
        return self.ports.selector.clock.seconds() - gone[1] if gone is not None else LATE_SECONDS

    def _latched(self, peer: Address, view: memoryview, length: int) -> SharedPort | None:
        """Whose packet this is if a NAT has changed its address: the call that waits for its first one, where only one can be meant."""
        since = self._since_end(peer)
        # What the client of a call that is over still sends is not the first packet of the next call, unless that has its port.
        call = self.waiting.meant(peer[1], since < LATE_SECONDS) if self.ports.latch else None
        if call is not None:
            call.latch(peer, bytes(view[8:12]))
            return call
        if since < LATE_SECONDS:
            if since > CROSSING_SECONDS:
                self._gone[peer][0].late += 1
                self._gone[peer][0].stray(peer, view[:length], "media.after-bye")
        else:
            self.ports.stranger(peer)
        return None


class SharedPorts:
    """One port, and the next for RTCP, for all calls of an address: the mode for containers, where publishing a range is slow."""

    def __init__(self, selector: Selector, number: int, latch: bool = False, told: Callable[[int, Address], None] | None = None) -> None:
        """`told` hears of packets that belong to no call, at most every ten seconds: how many came since, and who sent the last."""
        self.selector = selector
        self.latch = latch
        self.strangers = 0
        """Packets that belonged to no call."""
        self._told = told
        self._untold = 0
        self._tell_at = 0.0
        self._number = number
        self._groups: dict[str, _Shared] = {}

    def stranger(self, peer: Address) -> None:
        """A packet that belongs to no call."""
        self.strangers += 1
        self._untold += 1
        now = self.selector.clock.seconds()
        if self._told is not None and now >= self._tell_at:
            untold, self._untold, self._tell_at = self._untold, 0, now + _TELLING_SECONDS
            self._told(untold, peer)

    @property
    def in_use(self) -> int:
        return sum(len(group.calls) for group in self._groups.values())

    def open(self, address: str) -> SharedPort:
        """A place for one more call. Raises `Exhausted` when the port itself can't be opened."""
        group = self._groups.get(address)
        if group is None:
            group = self._groups[address] = self._bind(address)
        port = SharedPort(group)
        group.calls.add(port)
        return port

    def _bind(self, address: str) -> _Shared:
        for left in reversed(range(1 if self._number else _ATTEMPTS)):
            made: list[socket.socket] = []
            number = self._number
            try:
                for offset in (0, 1):
                    sock = datagram_socket(address)
                    made.append(sock)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)  # the bursts of all calls meet here
                    sock.bind((address, number + offset if number else 0))
                    number = number or sock.getsockname()[1]
                return _Shared(self, *made)
            except (OSError, OverflowError) as error:
                for sock in made:
                    sock.close()
                if not left:
                    why = in_words(error) if isinstance(error, OSError) else str(error)
                    raise Exhausted(f"media port {number or 'of any number'} on {address}: {why}") from None
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close both ports of every address, then the selector."""
        for group in self._groups.values():
            for sock in (group.rtp, group.rtcp):
                self.selector.remove(sock)
                sock.close()
        self._groups.clear()
        self.selector.close()
