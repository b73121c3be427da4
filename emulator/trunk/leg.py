"""The media of one call with the customer, whichever side called: offers and answers, the stream, what is heard and what is not."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from emulator.clock import Clock, Timer
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.media.codecs import Codec
from emulator.media.description import answer, offer, reoffer, restated
from emulator.media.offer import Agreement, LocalMedia, NotAcceptable, agree, changed_without_a_version
from emulator.media.port import Port
from emulator.media.sdp import SessionDescription
from emulator.media.stream import Stream
from emulator.media.summary import nothing_heard
from emulator.sdp_body import answered
from emulator.sip.message import Message
from emulator.sip.refusal import Refusal
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.studio import Set, Studio

if TYPE_CHECKING:
    from emulator.media.dtmf import Digit
    from emulator.media.wire import Wire


class Keeper(Protocol):
    """Who keeps the calls, as their legs need it: the trunk."""

    clock: Clock
    ids: Ids
    journal: Journal
    studio: Studio


class LegUser(Protocol):
    """Whose media it is: a call."""

    def on_silence(self) -> None:
        """Nothing was heard for as long as the behaviour allows; the finding has been made."""


class Leg:
    """`description` is our last description, None before there is one; `stream` the media it settled, None before that."""

    def __init__(
        self, keeper: Keeper, user: LegUser, record: CallRecord, behaviour: Behaviour, port: Port, local: LocalMedia, early: bool = False
    ) -> None:
        """`local` is our side of the media. The leg owns `port` from here on. `early` has media flow before the call is answered."""
        self.local = local
        self.record = record
        self.early = early
        self.quiet = False
        """Nothing is sent before the call is answered, whatever is heard: who calls does not speak into the other side's announcement."""
        self.description: SessionDescription | None = None
        self.stream: Stream | None = None
        self._keeper = keeper
        self._user: LegUser | None = user
        self._behaviour = behaviour
        self._port = port
        self._theirs: SessionDescription | None = None  # their last description
        self._settled: tuple[SessionDescription, bool] | None = None  # what holds now: our description, and whether we hold
        self._before: tuple[SessionDescription, bool] | None = None  # the same before our last re-offer
        self._codecs = local.codecs
        self._agreement: Agreement | None = None
        self._set: Set | None = None
        self._watch: Timer | None = None
        self._heard = -1  # packets at the last look
        self._answered = False
        self._answered_at = 0.0
        self._silence_told = False

    # -- offer and answer -----------------------------------------------------------------------------------------

    def negotiate(self, described: SessionDescription) -> tuple[SessionDescription, Agreement]:
        """Our answer to their offer, which holds once it is handed to `settle`; `Refusal` 488 when nothing fits (RFC 3261 13.3.1.3)."""
        self.compare(described)  # whatever comes of it: their next version follows this one
        kinds = {media.kind for media in described.media if media.port}
        if "image" in kinds and "audio" not in kinds:
            raise Refusal(self._behaviour.t38_status, Finding("media.t38", "m=image without m=audio"))
        try:
            return answer(described, self.local, self.description)
        except NotAcceptable as error:
            # 20.43 has 305 where no format fits, and vonage-facts, default 31, has 304: whoever looks for either finds it
            numbers = (error.warning, 304) if error.warning == 305 else (error.warning,)
            warnings = tuple(("Warning", f'{number} {self.local.address} "{error.text}"') for number in numbers)
            if error.text == error.finding.public:  # which the refusal says by itself
                warnings = ()
            for finding in error.findings:
                self.record.finding(finding)
            raise Refusal(488, error.finding, warnings) from None

    def settle(self, description: SessionDescription, agreement: Agreement) -> None:
        """An offer and its answer are done: `description` is ours. Media follows it at once."""
        self.description = description
        self._settled = (description, self.local.holds)
        self.local.secure = agreement.keys is not None
        self._agreement = agreement
        if self.quiet and not self._answered:
            agreement = replace(agreement, send=False)
        self.record.codec = agreement.codec.name
        for finding in agreement.findings:
            self.record.finding(finding)
        if agreement.keys is not None and self.record.transport != "TLS":
            self.record.finding(Finding("srtp.in-clear", f"a=crypto over {self.record.transport}"))
        if self.stream is None:
            keeper = self._keeper
            self.stream = Stream(agreement, keeper.clock, keeper.ids, self._behaviour.media, self._on_digit, wire=self._wire())
            self.stream.aimed((self.local.address, self.local.port), agreement.remote)  # the port may know better
            self.record.media = self.stream
            self._set = keeper.studio.set_for(self.stream, self.record.id)
            self.record.recording = self._set.recorded
            for finding in self._set.findings:  # said at once: who waits for a recording need not wait for the end
                self.record.finding(finding)
                keeper.journal.event("finding", self.record, finding=str(finding))
        else:
            self.stream.change(agreement)
        self._port.attach(self.stream)
        if self._answered or self.early:
            self._begin()

    def _wire(self) -> "Wire | None":
        """What keeps the packets of the call for its capture, where that is wanted."""
        kept = self._keeper.journal.datagrams(self.record)
        if kept is None:
            return None
        from emulator.media.wire import Wire  # most emulators keep none

        return Wire(kept, self._keeper.clock, self.local.address)

    def answer(self, described: SessionDescription) -> bytes:
        """Their offer is taken as it is: the body of our answer. Raises `Refusal`."""
        self.settle(*self.negotiate(described))
        return str(self.description).encode()

    def offer(self) -> bytes:
        """The body of an offer of ours: the first one, or a new one in a session that is up. `agree` takes its answer."""
        self.description = offer(self.local, self.description)
        return str(self.description).encode()

    def hold(self, holds: bool) -> bytes:
        """The body of an offer that puts the other side on hold, or takes it off hold; `agree` or `withdraw` ends that."""
        assert self.description is not None and self.stream is not None
        self._before = (self.description, self.local.holds)
        self.local.holds = holds
        self.description = reoffer(self.description, self.stream.agreement, self.local)
        return str(self.description).encode()

    def recode(self, codec: Codec) -> bytes:
        """The body of an offer of one codec alone; `agree` or `withdraw` ends that."""
        assert self.description is not None
        self._before = (self.description, self.local.holds)
        self.local.codecs = (codec,)
        return self.offer()

    def withdraw(self, sent: bool = True) -> None:
        """Our new offer was refused, or its answer was none, or it was never `sent`: the session goes on as it was (RFC 3261 14.1)."""
        self.local.codecs = self._codecs
        if not sent and self._before is not None:
            self.description, self.local.holds = self._before
        elif self._settled is not None and self.description is not None:
            description, self.local.holds = self._settled
            self.description = restated(description, self.local, self.description)

    def again(self) -> bytes:
        """Our last description once more: an offer that changes nothing."""
        assert self.description is not None
        return str(self.description).encode()

    def agree(self, message: Message) -> None:
        """Their answer to our last description, in a response, an ACK or a PRACK. Raises `NotAcceptable` with the finding."""
        assert self.description is not None
        described = answered(message)
        self.compare(described)
        agreement = agree(self.description, described, self.local)
        self.local.codecs = self._codecs
        self.settle(self.description, agreement)

    def forget(self) -> None:
        """Another INVITE without an offer goes out: nothing is described yet."""
        self.description = self._theirs = None

    def fork(self) -> None:
        """Somebody else answers our INVITE from here on (RFC 3261 13.2.2.4): that description follows on none of before."""
        self._theirs = None

    def compare(self, described: SessionDescription) -> None:
        """A description of theirs has come, whatever is made of it: does its o= line follow on the one before?"""
        if self._theirs is not None and (odd := changed_without_a_version(self._theirs, described)) is not None:
            self.record.finding(odd)
        self._theirs = described

    # -- media ----------------------------------------------------------------------------------------------------

    def answered(self) -> None:
        """The call is answered: media flows, and is missed when it does not."""
        self._answered, self._answered_at = True, self._keeper.clock.seconds()
        if self.stream is not None:
            if not self.early and not self.quiet:  # who waits for the answer can't tell what overtook it
                self.stream.answered()
            if self.quiet and self._agreement is not None:
                self.stream.change(self._agreement)
                self._port.attach(self.stream)
            self._begin()
        if self._behaviour.silence_timeout > 0:
            self._watch = self._keeper.clock.call_later(self._behaviour.silence_timeout, self._look)

    def _begin(self) -> None:
        if self.stream is not None and self._set is not None:
            self.stream.start_reports()
            if self._answered or not self.quiet:
                self._set.start(self._answered)

    def dial(self, digits: str) -> None:
        """Send digits as telephone-events; a comma is half a second. `ValueError` names the place of what is neither."""
        if self.stream is not None:
            self.stream.dialler.dial_all(digits)

    def _on_digit(self, digit: "Digit") -> None:
        self._keeper.journal.event("call.digit", self.record, digit=digit.name, ms=round(1000 * digit.duration), volume=-digit.volume)

    def _look(self) -> None:
        """Look whether anything was heard since the last look: no clock is read per packet for this."""
        stream, seconds = self.stream, self._behaviour.silence_timeout
        self._watch = None
        heard = stream.heard.packets if stream is not None else 0
        on_hold = stream is not None and not (stream.agreement.send and stream.agreement.receive)  # who holds may play nothing
        if (heard == self._heard or (heard == 0 and self._heard < 0)) and not on_hold:
            self._silence_told = True
            self.record.finding(Finding("media.silence", f"no RTP for {seconds:g} s"))
            self._keeper.journal.event("media.silence", self.record, seconds=seconds)
            if self._user is not None:
                self._user.on_silence()
            return
        self._heard = heard
        self._watch = self._keeper.clock.call_later(seconds, self._look)

    # -- the end, and what was ------------------------------------------------------------------------------------

    def look_back(self) -> None:
        """The answered call is over: was anything heard in it?"""
        if self.stream is not None and not self._silence_told:
            seconds = self._keeper.clock.seconds() - self._answered_at
            if (finding := nothing_heard(self.stream, seconds)) is not None:
                self.record.finding(finding)

    def close(self) -> None:
        """Give everything back; harmless when done before."""
        if self._watch is not None:
            self._watch.cancel()
        if self.stream is not None:
            self.stream.end()
        if self._set is not None:
            self._set.close()
            for finding in self._set.findings:
                self.record.finding(finding)
        self._port.close()
        self._user = None  # each knows the other: apart, both are freed at once, without the garbage collector

    def summary(self) -> dict[str, Any]:
        """What `call.ended` says of the media."""
        told: dict[str, Any] = {"codec": self.record.codec or "", "packets": 0}
        if self.stream is not None:
            heard = self.stream.heard
            told["packets"] = heard.packets
            if heard.packets:
                told.update(lost=max(0, heard.lost), jitter_ms=round(heard.jitter_ms, 1), mos=round(heard.mos(self.record.codec), 2))
            odd = {"reordered": heard.reordered, "duplicates": heard.duplicates}
            told.update({name: count for name, count in odd.items() if count})
            if self.stream.rtcp.theirs is not None:  # what the client said of our packets
                sent = self.stream.snapshot()["sent"]
                told.update(sent=sent["packets"], sent_lost=sent["lost"], sent_jitter_ms=sent["jitter_ms"], sent_mos=sent["mos"])
            told["digits"] = self.stream.snapshot()["digits"] if self.stream.digits else ""
        if self._set is not None and self._set.recorded:
            told["recording"] = self._set.recorded
        return told
