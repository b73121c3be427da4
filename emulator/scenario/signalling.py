"""Faults of messages on their way: each one small class, which a gate asks about every message of its proxy."""

import math
from collections.abc import Callable

from emulator.chance import Chance
from emulator.scenario import alter, kinds
from emulator.scenario.gate import Gate, MessageFault, On
from emulator.scenario.rules import Rule
from emulator.scenario.sight import Message
from emulator.sip.endpoint import MAGIC_COOKIE
from emulator.sip.message import header_name

Told = Callable[[Message], None]
"""Hears of each message that is struck."""

_LONGEST_WAIT = 1.0
"""Seconds after which a message held for reordering goes on although too few came behind it."""
_PATHS = 500


class Struck(MessageFault):
    """A fault with a rule: what does not meet it goes on as it came."""

    def __init__(self, rule: Rule, chance: Chance, told: Told) -> None:
        self.rule = rule
        self._chance = chance
        self._told = told

    def handle(self, message: Message, gate: Gate, on: On) -> None:
        if self.rule.strikes(message):
            self._told(message)
            self._strike(message, gate, on)
        else:
            on(message.data)

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        raise NotImplementedError


class Drop(Struck):
    """Lost."""

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        """Nothing goes on."""


class Reset(Struck):
    """Lost, and its connection with it."""

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        message.flow.reset()


class Delay(Struck):
    """Later."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Delay) -> None:
        super().__init__(rule, chance, told)
        self._what = what

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        gate.later(self.drawn(), on, message.data)

    def drawn(self) -> float:
        """Seconds."""
        what = self._what
        if not what.spread:
            return what.by
        if what.distribution == "uniform":
            seconds = self._chance.uniform(what.by - what.spread, what.by + what.spread)
        elif what.distribution == "normal":
            seconds = self._chance.normal(what.by, what.spread)
        else:  # the parameters of the logarithm, so that mean and deviation come out as they were given
            variance = math.log(1 + (what.spread / what.by) ** 2) if what.by else 0.0
            seconds = math.exp(self._chance.normal(math.log(what.by) - variance / 2, math.sqrt(variance))) if what.by else 0.0
        return max(0.0, min(seconds, 600.0))


class Duplicate(Struck):
    """More than once, at once."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Duplicate) -> None:
        super().__init__(rule, chance, told)
        self._copies = what.copies

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        for _ in range(1 + self._copies):
            on(message.data)


class Retransmit(Struck):
    """Again, though nobody asked."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Retransmit) -> None:
        super().__init__(rule, chance, told)
        self._what = what

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        on(message.data)
        for copy in range(1, self._what.copies + 1):
            gate.later(copy * self._what.spacing, on, message.data)


class _Waiting:
    """A message that lets others pass."""

    def __init__(self, on: On, data: bytes, left: int) -> None:
        self.on = on
        self.data = data
        self.left = left
        self.gone = False

    def go(self) -> None:
        if not self.gone:
            self.gone = True
            self.on(self.data)


class Reorder(Struck):
    """Behind those that come after it on the same path; one at a time, so that the order is another even when each is struck."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Reorder) -> None:
        super().__init__(rule, chance, told)
        self._by = what.by
        self._waiting: dict[object, _Waiting] = {}

    def handle(self, message: Message, gate: Gate, on: On) -> None:
        path = (message.flow.transport, message.flow.peer, message.incoming)
        waiting = self._waiting.get(path)
        if waiting is not None and not waiting.gone:
            on(message.data)
            waiting.left -= 1
            if not waiting.left:
                del self._waiting[path]
                waiting.go()
        elif self.rule.strikes(message):
            self._told(message)
            self._waiting.pop(path, None)
            if len(self._waiting) >= _PATHS:
                self._waiting.pop(next(iter(self._waiting))).go()
            self._waiting[path] = waiting = _Waiting(on, message.data, self._by)
            gate.later(_LONGEST_WAIT, lambda data, one=waiting: one.go(), message.data)  # type: ignore[misc]
        else:
            on(message.data)


class Corrupt(Struck):
    """With octets changed."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Corrupt) -> None:
        super().__init__(rule, chance, told)
        self._what = what

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        data = bytearray(message.data)
        split = message.data.find(b"\r\n\r\n") + 4
        first, behind = {"any": (0, len(data)), "headers": (0, split), "body": (split, len(data))}[self._what.part]
        if first < behind:
            for _ in range(self._what.octets):
                data[first + self._chance.number(behind - first)] ^= 1 + self._chance.number(255)
        on(bytes(data))


class Truncate(Struck):
    """Only its beginning."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Truncate) -> None:
        super().__init__(rule, chance, told)
        self._octets = what.octets

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        on(message.data[: self._octets])


class Wrong(Struck):
    """With one thing in it that is not right."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Wrong) -> None:
        super().__init__(rule, chance, told)
        self._what = what.what
        self._value = what.value

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        what, data, value = self._what, message.data, self._value
        if what in ("cseq", "content-length"):
            on(alter.with_number(data, what, int(value) if value is not None else None))
            return
        text = value or f"{self._chance.number(1 << 32):08x}"
        if what == "branch":
            on(alter.with_branch(data, value or MAGIC_COOKIE + text))
        elif what == "call-id":
            on(alter.with_header(data, "call-id", lambda _: text))
        else:
            on(alter.with_tag(data, what.removesuffix("-tag"), text))


class Rewrite(Struck):
    """With other headers."""

    def __init__(self, rule: Rule, chance: Chance, told: Told, what: kinds.Rewrite) -> None:
        super().__init__(rule, chance, told)
        self._put = what.set
        self._gone = frozenset(header_name(name) for name in what.remove)

    def _strike(self, message: Message, gate: Gate, on: On) -> None:
        on(alter.with_headers(message.data, self._put, self._gone))
