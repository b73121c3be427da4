"""libsrtp, in place: called on the buffer that packets are read into.

pylibsrtp's own `Session` copies every packet twice, so its cffi binding is called instead. The binding is private: it is tried against a
known packet before it is trusted, and `Session` serves when it is not as expected.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

WINDOW = 128
"""Packets a replay or a late one is looked for among; RFC 3711 3.3.2 wants at least 64."""
TRAILER_OCTETS = 144
"""What libsrtp may write behind a packet: SRTP_MAX_TRAILER_LEN."""


class Fault(Enum):
    """Why a packet was not taken. Plain RTP is not told from forged SRTP: its last octets are no tag."""

    FORGED = "authentication failed"
    REPLAYED = "replayed, or too old to tell"
    MALFORMED = "no SRTP packet"
    SOURCES = "one SSRC too many under one key"
    OTHER = "refused by libsrtp"


_FAULTS = {
    2: Fault.MALFORMED,  # bad_param
    7: Fault.FORGED,  # auth_fail
    9: Fault.REPLAYED,  # replay_fail
    10: Fault.REPLAYED,  # replay_old
    14: Fault.FORGED,  # cant_check: SRTCP whose E bit says that it is not encrypted
    21: Fault.MALFORMED,  # parse_err
    26: Fault.REPLAYED,  # pkt_idx_old
}
"""libsrtp's srtp_err_status_t; the binding names only its zero."""
_STATUS_OF_TEXT = {
    "authentication failure": 7,
    "replay check failed (bad index)": 9,
    "replay check failed (index too old)": 10,
    "unable to perform desired validation": 14,
    "unsupported parameter": 2,
    "error parsing data": 21,
    "packet index is too old to consider": 26,
}
"""What `Session` says instead of a status."""


class SrtpError(Exception):
    """A packet that was not taken, or a context that could not be made; what the buffer then holds is undefined."""

    def __init__(self, kind: Fault) -> None:
        super().__init__(kind.value)
        self.kind = kind


def fault(status: int) -> SrtpError:
    """What libsrtp's status means."""
    return SrtpError(_FAULTS.get(status, Fault.OTHER))


class Library(Protocol):
    """libsrtp as a context calls it. The four calls take context, place and length; they read and write `length[0]`, give a status."""

    protect: Callable[[Any, Any, Any], int]
    unprotect: Callable[[Any, Any, Any], int]
    protect_rtcp: Callable[[Any, Any, Any], int]
    unprotect_rtcp: Callable[[Any, Any, Any], int]

    def __hash__(self) -> int:
        """What is made for a library is kept by it."""

    def open(self, key: bytes, inbound: bool, repeats: bool) -> Any:
        """A context. Raises `SrtpError`."""

    def close(self, context: Any) -> None:
        """Free a context now."""

    def place(self, buffer: bytearray) -> Any:
        """Where a call finds the packet; while it is held the buffer can't change its size."""

    def length(self) -> Any:
        """An integer that calls read and write."""


class Binding:
    """libsrtp through pylibsrtp's private binding, in place. Raises whatever comes up when that is not the one we know."""

    def __init__(self) -> None:
        from pylibsrtp import _binding

        self._ffi = ffi = _binding.ffi
        self._lib = lib = _binding.lib
        self.protect, self.unprotect = lib.srtp_protect, lib.srtp_unprotect
        self.protect_rtcp, self.unprotect_rtcp = lib.srtp_protect_rtcp, lib.srtp_unprotect_rtcp
        self._from_buffer = ffi.from_buffer

    def open(self, key: bytes, inbound: bool, repeats: bool) -> Any:
        ffi, lib = self._ffi, self._lib
        policy = ffi.new("srtp_policy_t *")
        profile = lib.srtp_profile_aes128_cm_sha1_80
        lib.srtp_crypto_policy_set_from_profile_for_rtp(ffi.addressof(policy.rtp), profile)
        lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy.rtcp), profile)
        octets = ffi.new("unsigned char[]", key)
        policy.key = octets
        policy.ssrc.type = lib.ssrc_any_inbound if inbound else lib.ssrc_any_outbound
        policy.window_size = WINDOW
        policy.allow_repeat_tx = repeats
        context = ffi.new("srtp_t *")
        status = lib.srtp_create(context, policy)
        ffi.memmove(octets, bytes(len(octets)), len(octets))  # session keys are derived; no copy of the key stays behind
        if status:
            raise fault(status)
        return ffi.gc(context[0], lib.srtp_dealloc)

    def close(self, context: Any) -> None:
        self._ffi.release(context)

    def place(self, buffer: bytearray) -> Any:
        return self._from_buffer(buffer)

    def length(self) -> Any:
        return self._ffi.new("int *")


class Public:
    """libsrtp through pylibsrtp's documented `Session`. It takes no packet of more than 1500 octets, tag and trailer included."""

    def __init__(self) -> None:
        import pylibsrtp

        self._module = pylibsrtp
        session = pylibsrtp.Session
        self.protect, self.unprotect = self._call(session.protect), self._call(session.unprotect)
        self.protect_rtcp, self.unprotect_rtcp = self._call(session.protect_rtcp), self._call(session.unprotect_rtcp)

    def open(self, key: bytes, inbound: bool, repeats: bool) -> Any:
        kinds = self._module.Policy
        try:
            policy = kinds(key=key, ssrc_type=kinds.SSRC_ANY_INBOUND if inbound else kinds.SSRC_ANY_OUTBOUND)
            policy.window_size = WINDOW
            policy.allow_repeat_tx = repeats
            return self._module.Session(policy)
        except self._module.Error:
            raise SrtpError(Fault.OTHER) from None

    def close(self, context: Any) -> None:
        """The session frees itself with the last reference to it."""

    def place(self, buffer: bytearray) -> Any:
        return buffer

    def length(self) -> Any:
        return [0]

    def _call(self, method: Callable[[Any, bytes], bytes]) -> Callable[[Any, Any, Any], int]:
        error = self._module.Error

        def call(session: Any, buffer: Any, length: Any) -> int:
            try:
                changed = method(session, bytes(memoryview(buffer)[: length[0]]))
            except error as refusal:
                return _STATUS_OF_TEXT.get(str(refusal), 1)
            except ValueError:  # longer than it takes
                return 2
            buffer[: len(changed)] = changed
            length[0] = len(changed)
            return 0

        return call


# The packet libsrtp tests itself with: key, RTP, SRTP.
_KNOWN_KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
_KNOWN_PLAIN = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
_KNOWN_SECURE = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")

_library: Library | None = None


def library() -> Library:
    """The binding if it does what is expected of it, else the public interface; found out once, when the first call needs SRTP."""
    global _library
    if _library is None:
        _library = _probe()
    return _library


def _probe() -> Library:
    try:
        binding = Binding()
        if _works(binding):
            return binding
    except Exception:  # whatever a private interface may raise that has changed
        pass
    return Public()


def _works(candidate: Library) -> bool:
    """Whether a known packet comes out as it should, there and back."""
    buffer = bytearray(len(_KNOWN_PLAIN) + TRAILER_OCTETS)
    buffer[: len(_KNOWN_PLAIN)] = _KNOWN_PLAIN
    place, length = candidate.place(buffer), candidate.length()
    sender, receiver = candidate.open(_KNOWN_KEY, False, False), candidate.open(_KNOWN_KEY, True, False)
    length[0] = len(_KNOWN_PLAIN)
    status = candidate.protect(sender, place, length)
    secured = not status and buffer[: length[0]] == _KNOWN_SECURE
    back = secured and not candidate.unprotect(receiver, place, length) and buffer[: length[0]] == _KNOWN_PLAIN
    candidate.close(sender)
    candidate.close(receiver)
    return back
