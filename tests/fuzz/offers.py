"""Mutated offers and answers through whole calls in memory: each request gets its final answer, and nothing is left over.

The ports are those of the emulator, on sockets that never send: what a description names is connected to, and no packet leaves.
"""

import json
import random
import time
from collections import Counter
from typing import Any

from emulator.journal.findings import printable
from emulator.media.port_pair import MediaPorts, PortPair
from emulator.media.shared_port import SharedPort, SharedPorts
from emulator.media.sockets import Selector
from emulator.media.stream import Stream
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.trunk import MediaPolicy, Policy
from tests.fuzz.packets import Datagram, Garbage
from tests.fuzz.sdp import KEY, descriptions
from tests.support.network import MemoryPort, Network
from tests.support.phone import Phone, Received

BATCH = 50
"""Calls through one network."""
MOST_SECONDS = 1.0
"""That one message may take, whatever it says; the slowest take 20 ms."""
_LARGEST_DATAGRAM = 65507
_POLICIES = (
    Policy(),
    Policy(media=MediaPolicy(crypto_on_avp=True, crypto_lifetime=True, ilbc_mode=None)),
    Policy(behaviour=Behaviour(ringing=183)),
    Policy(behaviour=Behaviour(answer_after=0.5)),
)


class _Reactor:
    """Nothing is ever read from a socket."""

    def addReader(self, reader: object) -> None:
        pass

    def removeReader(self, reader: object) -> None:
        pass


class DeafPort(MemoryPort):
    """A port of the emulator from which nothing is sent: what the stream sends is kept, as in memory."""

    def __init__(self, inner: PortPair | SharedPort) -> None:
        super().__init__(inner.number)
        self._inner = inner

    def attach(self, stream: Stream) -> None:
        self._inner.attach(stream)
        self.sent.clear()
        super().attach(stream)

    def close(self) -> None:
        self._inner.close()
        super().close()


class Ground(Network):
    """A network whose media ports are real, in pairs or shared."""

    def __init__(self, policy: Policy, seed: int, shared: bool) -> None:
        super().__init__(policy, seed, BATCH)
        selector = Selector(_Reactor(), self.clock, self._report, 0, 100)
        self.media = SharedPorts(selector, 0) if shared else MediaPorts(selector, self.clock, ephemeral=True)

    def _open(self, proxy: str) -> MemoryPort:
        port = DeafPort(self.media.open("127.0.0.1"))
        self.ports.append(port)
        return port


class Caller(Phone):
    """A phone whose bodies are octets."""

    octets = b""

    def transmit(self, text: str) -> None:
        head, end, _ = text.partition("\r\n\r\n")
        self.log.append(f"  -> {head.partition(chr(13))[0]}")
        self._send((head + end).encode() + self.octets)

    def with_body(self, octets: bytes) -> str:
        """Stands for `octets` in what is sent next, which is given as text."""
        self.octets = octets
        return "?" * len(octets)

    def final(self) -> Received:
        """The final answer to what was sent last; provisional ones before it are read."""
        while self.inbox:
            message = self.inbox.pop(0)
            if message.status >= 200:
                return message
        raise AssertionError("no final answer came\n" + "\n".join(self.log))


def survive(seed: int, count: int) -> dict[str, Any]:
    """`count` calls. Raises `AssertionError` with what broke one."""
    told: Counter[str] = Counter()
    slowest = 0.0
    for begin in range(0, count, BATCH):
        chance = random.Random(f"{seed}/{begin}")
        shared = chance.random() < 0.3
        ground = Ground(chance.choice(_POLICIES), begin, shared)
        try:
            for number in range(begin, min(begin + BATCH, count)):
                attempt = Attempt(ground, random.Random(f"{seed}/call {number}"), number)
                try:
                    told.update(attempt.run())
                    slowest = max(slowest, attempt.slowest)
                    assert slowest < MOST_SECONDS, f"{slowest:.2f} s for one message"
                except Exception as error:
                    bodies = "\n".join(printable(repr(body), 1500) for body in attempt.bodies)
                    packets = "\n".join(packet.data.hex() for packet in attempt.packets[-5:])
                    raise AssertionError(f"seed {seed}, call {number}; descriptions:\n{bodies}\nits last packets:\n{packets}") from error
            ground.clock.advance(64)
            assert ground.idle and not ground.media.in_use, f"seed {seed}, calls {begin} to {begin + BATCH}: something is left over"
            for record in ground.journal.calls():
                json.dumps(record.detail(), allow_nan=False)
        finally:
            ground.media.close()
    return {"seed": seed, "calls": count, "slowest_ms": round(slowest * 1000, 1), **dict(sorted(told.items()))}


class Attempt:
    """One call: its offer, media, other offers, its end."""

    def __init__(self, ground: Ground, chance: random.Random, number: int) -> None:
        self.ground = ground
        self.chance = chance
        self.bodies: list[bytes] = []
        self.packets: list[Datagram] = []
        self.told: Counter[str] = Counter()
        self.slowest = 0.0
        """Seconds that one message took at most."""
        self._source = descriptions(chance.getrandbits(32))
        self.phone = self._phone(chance.choice(("UDP", "TCP", "TLS")))
        self.phone.call_id = f"offer-{number}@127.0.0.1"
        self.port: MemoryPort | None = None

    def _phone(self, transport: str) -> Caller:
        made = self.ground.phone(transport=transport)
        flow: Any = made.flow  # type: ignore[attr-defined]
        largest = 0

        def send(data: bytes) -> None:
            nonlocal largest
            largest = max(largest, len(data))
            began = time.process_time()
            made._send(data)
            self.slowest = max(self.slowest, time.process_time() - began)

        def deliver(data: bytes) -> None:
            if transport == "UDP" and largest <= _LARGEST_DATAGRAM:
                assert len(data) <= _LARGEST_DATAGRAM, f"{len(data)} octets fit into no datagram"
            phone.receive(data)

        flow.deliver = deliver
        phone = Caller(send, transport=transport)
        return phone

    def run(self) -> Counter[str]:
        """What came of it, by name."""
        chance = self.chance
        how = chance.choices(("offer", "late", "reliable", "reliable late", "refreshed"), (12, 3, 1, 1, 1))[0]
        extra = "Require: 100rel\r\n" if "reliable" in how else ""
        if how == "refreshed":
            extra = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n"
        if self._set_up(extra, "late" in how):
            self.told["answered"] += 1
            self._media()
            if how == "refreshed":
                self._refreshed()
            for _ in range(chance.choice((0, 1, 1, 2))):
                self._reinvite()
                self._media()
            self._hang_up()
        else:
            self.told["refused"] += 1
        self.phone.octets = b""
        return self.told

    # -- signalling -----------------------------------------------------------------------------------------------

    def _body(self) -> str:
        body = next(self._source)
        self.bodies.append(body)
        return self.phone.with_body(body)

    def _invite(self, extra: str, late: bool) -> Received:
        """An INVITE with the credentials that were asked for, and what came first that is not a 100."""
        phone = self.phone
        body = "" if late else self._body()
        octets = phone.octets if body else b""
        challenged = self._send_invite(extra, body, octets)
        if challenged.status != 407:
            return challenged
        return self._send_invite(extra + phone.credentials(challenged), body, octets)

    def _send_invite(self, extra: str, body: str, octets: bytes) -> Received:
        phone = self.phone
        phone.octets = octets
        phone.invite("442071234567", extra, body)
        phone.octets = b""
        if phone.inbox and phone.inbox[0].status == 100:
            phone.inbox.pop(0)
        if not phone.inbox or (phone.inbox[0].status < 200 and "100rel" not in extra):
            self.ground.clock.advance(0.6)  # it rings
        if not phone.inbox:
            raise AssertionError("nothing came\n" + "\n".join(phone.log))
        answer = phone.inbox.pop(0) if "100rel" in extra else phone.final()
        if answer.status >= 300:
            phone.ack(answer)
        return answer

    def _set_up(self, extra: str, late: bool) -> bool:
        """Whether the call is up."""
        ports = len(self.ground.ports)
        answer = self._invite(extra, late)
        if len(self.ground.ports) > ports:
            self.port = self.ground.ports[-1]
        if 100 < answer.status < 200:
            answer = self._prack(answer)
        if answer.status >= 300:
            return False
        _check(answer)
        late = late and bool(answer.body)
        self._ack(answer, self._body() if late else "")
        return True

    def _prack(self, ringing: Received) -> Received:
        """Acknowledge a reliable 180, with an answer or another offer in it; what comes of the INVITE then."""
        phone = self.phone
        phone.to_tag = ringing.to_tag
        contact = ringing.get("contact") or ""
        phone.remote_target = contact.partition("<")[2].partition(">")[0]
        cseq = (ringing.get("cseq") or "").partition(" ")[0]
        acknowledgement = f"RAck: {ringing.get('rseq')} {cseq} INVITE\r\n"
        phone.in_dialog("PRACK", acknowledgement, self._body() if self.chance.random() < 0.8 else "")
        phone.octets = b""
        answer = next((message for message in phone.inbox if "PRACK" in (message.get("cseq") or "")), None)
        assert answer is not None and answer.status in (200, 400, 488), phone.log
        if answer.status >= 300:
            self.told["PRACK refused"] += 1
            phone.in_dialog("PRACK", acknowledgement)  # without an offer there is nothing to refuse
        self.ground.clock.advance(40)  # a call whose answer was unusable ends by itself
        return self._final_of_invite()

    def _final_of_invite(self) -> Received:
        """What came of the INVITE; requests of the trunk's are answered."""
        phone = self.phone
        found: Received | None = None
        waiting, phone.inbox = phone.inbox, []
        for message in waiting:
            if message.method == "BYE":
                self._respond(message)
            elif message.status >= 200 and "INVITE" in (message.get("cseq") or ""):
                if found is None and message.status >= 300:
                    phone.ack(message)
                found = found or message
        assert found is not None, "no final answer came\n" + "\n".join(phone.log)
        return found

    def _ack(self, answer: Received, body: str) -> None:
        phone = self.phone
        cseq = int((answer.get("cseq") or "0").split(" ")[0])
        phone.to_tag = answer.to_tag
        phone.remote_target = (answer.get("contact") or "").partition("<")[2].partition(">")[0]
        phone.transmit(phone.request("ACK", phone.remote_target, body=body, cseq=cseq, to=answer.get("to")))
        phone.octets = b""
        self._serve()

    def _serve(self) -> None:
        """Answer what the trunk asks; whatever else came was seen before."""
        waiting, self.phone.inbox = self.phone.inbox, []
        for message in waiting:
            if message.method == "BYE":
                self.told["hung up by the trunk"] += 1
            if message.method and message.method != "ACK":
                self._respond(message)

    def _respond(self, request: Received, body: bytes = b"") -> None:
        phone = self.phone
        lines = ["SIP/2.0 200 OK", *(f"{name.title()}: {value}" for name, value in request.headers if name in _COPIED)]
        if body:
            lines += ["Content-Type: application/sdp", f"Contact: <sip:{phone.host}:{phone.port}>"]
        phone.octets = body
        phone.transmit("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]))
        phone.octets = b""

    def _refreshed(self) -> None:
        """The trunk's own re-INVITE gets a mutated answer."""
        self.ground.clock.advance(46)
        waiting, self.phone.inbox = self.phone.inbox, []
        for message in waiting:
            if message.method == "INVITE":
                self.told["refreshed by the trunk"] += 1
                _check(message)
                self.bodies.append(next(self._source))
                self._respond(message, self.bodies[-1])
            elif message.method == "BYE":
                self._respond(message)

    def _reinvite(self) -> None:
        """Another offer, or the request for one of the trunk's, in the call that is up."""
        late = self.chance.random() < 0.2
        answer = self._invite("", late)
        self.told[f"re-INVITE {answer.status}"] += 1
        assert answer.status in (200, 400, 488, 481), answer.start  # 481: the trunk has hung up, for an answer that was none
        if answer.status == 200:
            _check(answer)
            self._ack(answer, self._body() if late else "")

    def _hang_up(self) -> None:
        phone = self.phone
        self._serve()
        phone.octets = b""
        phone.in_dialog("BYE")
        answer = phone.final()
        assert answer.status in (200, 481), answer.start

    # -- media ----------------------------------------------------------------------------------------------------

    def _media(self) -> None:
        """Some garbage for the stream, under the key that the offer had."""
        chance, port = self.chance, self.port
        if port is None or port.stream is None:
            return
        stream = port.stream
        agreement = stream.agreement
        kinds = (agreement.payload_type, agreement.payload_type, agreement.event_type or 0)
        garbage = Garbage(chance, KEY if agreement.keys is not None else None, kinds, agreement.event_type)
        garbage.ours = stream.ssrc
        for _ in range(chance.choice((0, 2, 5, 10))):
            datagram = garbage.take()
            self.packets.append(datagram)
            self.told["packets"] += 1
            if datagram.rtcp:
                stream.receive_rtcp(datagram.data)
            else:
                port.hear(datagram.data)
            self.ground.clock.advance(chance.choice((0, 0.02, 0.02, 0.3)))
        json.dumps([stream.snapshot(), [str(finding) for finding in stream.findings()]], allow_nan=False)
        self.told["echoed"] += len(port.sent)
        port.sent.clear()
        self._serve()


_COPIED = frozenset({"via", "from", "to", "call-id", "cseq"})


def _check(message: Received) -> None:
    """A description of the trunk's is well-formed, whatever it is an answer to."""
    if not message.body:
        return
    text = message.body.decode()
    assert text.endswith("\r\n") and text.startswith("v=0\r\no=")
    for line in text[:-2].split("\r\n"):
        assert line[0].isascii() and line[0].islower() and line[1] == "=", f"{line!r} in an answer"
        assert "\n" not in line and "\r" not in line, f"{line!r} in an answer"
