"""The media of one call of the phone: offers and answers, what it plays, and what it hears of that."""

from typing import Any

from emulator.clock import Clock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.media.description import answer, offer, reoffer, restated
from emulator.media.dtmf_sender import Quirk
from emulator.media.far_end import FarEnd
from emulator.media.offer import Agreement, LocalMedia, NotAcceptable, agree
from emulator.media.plan import NOTHING, Plan
from emulator.media.player import Player
from emulator.media.port import Port
from emulator.media.sdp import SessionDescription
from emulator.media.stream import Stream
from emulator.phone.echo import Echo
from emulator.phone.script import SIGNAL
from emulator.phone.signal import Signal, signal
from emulator.sdp_body import answered, offered
from emulator.sip.message import Message
from emulator.sip.refusal import Refusal

_CNAME = "vsim phone"


class Handset:
    """`description` is our last description, None before there is one; `stream` the media it settled, None before that."""

    def __init__(self, clock: Clock, ids: Ids, port: Port, local: LocalMedia, play: str) -> None:
        """`local` is our side of the media, `play` one of `emulator.phone.script.PLAYS`. It owns `port` from here on."""
        self.description: SessionDescription | None = None
        self.stream: Stream | None = None
        self.echo: Echo | None = None
        """Of the signal, once it is played."""
        self.digits_sent = ""
        self._clock = clock
        self._ids = ids
        self._port = port
        self._local = local
        self._play = play
        self._settled: tuple[SessionDescription, bool] | None = None  # what holds: our description, and whether we hold
        self._player: Player | None = None
        self._far_end: FarEnd | None = None
        self._codec: tuple[str, int] = ("", 0)
        self._speaks = self._paused = False

    # -- offer and answer -----------------------------------------------------------------------------------------

    def offer(self) -> bytes:
        """The body of an offer; `agree` takes its answer."""
        self.description = offer(self._local, self.description)
        return str(self.description).encode()

    def again(self) -> bytes:
        """Our last description once more."""
        assert self.description is not None
        return str(self.description).encode()

    def hold(self, holds: bool) -> bytes:
        """The body of an offer that puts the other side on hold, or takes it off; `agree` or `withdraw` ends that."""
        assert self.description is not None and self.stream is not None
        self._local.holds = holds
        self.description = reoffer(self.description, self.stream.agreement, self._local)
        return str(self.description).encode()

    def withdraw(self) -> None:
        """Our new offer was refused: the session goes on as it was (RFC 3261 14.1)."""
        if self._settled is not None and self.description is not None:
            settled, self._local.holds = self._settled
            self.description = restated(settled, self._local, self.description)

    def answer(self, message: Message) -> tuple[bytes, bool]:
        """The body of our answer to the offer in a request, or of our own offer where it has none, and whether it is that. Raises
        `Refusal`."""
        theirs = offered(message)
        if theirs is None:
            return self.offer(), True
        try:
            ours, agreement = answer(theirs, self._local, self.description)
        except NotAcceptable as error:
            warning = f'{error.warning} {self._local.address} "{error.text}"'
            raise Refusal(488, error.finding, (("Warning", warning),)) from None
        self._settle(ours, agreement)
        return str(ours).encode(), False

    def agree(self, message: Message) -> None:
        """Their answer to our last description. Raises `NotAcceptable`."""
        assert self.description is not None
        self._settle(self.description, agree(self.description, answered(message), self._local))

    def _settle(self, description: SessionDescription, agreement: Agreement) -> None:
        self.description = description
        self._settled = (description, self._local.holds)
        self._local.secure = agreement.keys is not None
        if self.stream is None:
            plan = Plan(NOTHING if self._play == SIGNAL else self._play)
            self.stream = Stream(agreement, self._clock, self._ids, plan, cname=_CNAME)
        else:
            self.stream.change(agreement)
        self._port.attach(self.stream)
        if self._speaks:
            self._play_it()

    # -- media ----------------------------------------------------------------------------------------------------

    def speak(self) -> None:
        """The call is answered: play, and listen."""
        self._speaks = True
        if self.stream is not None:
            self.stream.start_reports()
            self._play_it()

    def _play_it(self) -> None:
        stream = self.stream
        assert stream is not None
        if self._play != SIGNAL:
            if self._far_end is None:
                self._far_end = FarEnd(stream, self._clock)
            self._far_end.start()
            return
        codec = (stream.agreement.codec.name, stream.agreement.mode)
        if codec != self._codec:
            self._codec = codec
            self._take_up(stream, signal(*codec))
        elif self._paused and self._player is not None:
            self._player.start()
        self._paused = False

    def _take_up(self, stream: Stream, played: Signal) -> None:
        """Play the signal of a codec, and look for it in what is heard."""
        if self._player is not None:
            self._player.stop()
        self.echo = echo = Echo(played, self._clock)
        stream.tap_sent = lambda payload_type, timestamp, payload: echo.sent(payload)
        stream.tap_heard = lambda payload_type, timestamp, payload: echo.heard(payload)
        self._player = Player(stream, self._clock, played.frames, played.seconds, played.step)
        self._player.start()

    def pause(self) -> None:
        """Stop the signal until `speak` is called again."""
        self._speaks, self._paused = False, True
        if self._player is not None:
            self._player.stop()

    def hush(self) -> None:
        """Play no more, and go on listening."""
        self.pause()
        if self._far_end is not None:
            self._far_end.stop()

    def dial(self, digits: str, quirk: Quirk | None = None) -> None:
        """Send digits as telephone-events; a comma is half a second. Raises `ValueError`."""
        if self.stream is not None:
            self.stream.dialler.quirk = quirk
            self.stream.dialler.dial_all(digits)
            if self.stream.agreement.event_type is not None:
                self.digits_sent += digits.replace(",", "").upper()

    @property
    def digits_heard(self) -> str:
        return "".join(digit.name for digit in self.stream.digits) if self.stream is not None else ""

    @property
    def on_hold(self) -> bool:
        """Whether one side holds the other, which may play nothing then."""
        agreement = self.stream.agreement if self.stream is not None else None
        return agreement is not None and not (agreement.send and agreement.receive)

    @property
    def packets_heard(self) -> int:
        return self.stream.heard.packets if self.stream is not None else 0

    def close(self) -> None:
        """Give everything back; harmless when done before."""
        self.hush()
        if self.stream is not None:
            self.stream.end()
        self._port.close()

    def findings(self) -> list[Finding]:
        """What was odd about the media."""
        return self.stream.findings() if self.stream is not None else []

    def as_dict(self) -> dict[str, Any] | None:
        """Ready for JSON; None where there was no media."""
        if self.stream is None:
            return None
        counted = self.stream.snapshot()
        return {
            "codec": counted["codec"],
            "srtp": counted["srtp"],
            "remote": counted["remote"],
            "sent": counted["sent"],
            "heard": counted["heard"],
            "echo": self.echo.as_dict() if self.echo is not None else None,
            "digits_sent": self.digits_sent,
            "digits_heard": self.digits_heard,
        }
