"""SRTP and SRTCP as RFC 3711 writes them, from AES and HMAC-SHA1 alone: AES_CM_128_HMAC_SHA1_80, no MKI, key derivation rate 0.

It imports nothing of `emulator` and nothing of libsrtp, so that neither can vouch for itself.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TAG = 10
RTP_KEY, RTP_AUTH, RTP_SALT, RTCP_KEY, RTCP_AUTH, RTCP_SALT = range(6)
"""Labels of the key derivation (4.3.1, 4.3.2)."""


class Refused(Exception):
    """A packet whose tag is wrong, or that was there before."""


def keystream(key: bytes, counter: int, octets: int) -> bytes:
    """AES in counter mode (4.1.1); `counter` is the IV, 128 bits."""
    encryptor = Cipher(algorithms.AES128(key), modes.CTR(counter.to_bytes(16, "big"))).encryptor()
    return encryptor.update(bytes(octets))


def derive(master: bytes, label: int, octets: int) -> bytes:
    """A session key from master key and salt, 30 octets (4.3.1, 4.3.3)."""
    salt = int.from_bytes(master[16:], "big")
    return keystream(master[:16], (salt ^ label << 48) << 16, octets)


def header_octets(packet: bytes) -> int:
    """Where the payload of an RTP packet begins (RFC 3550 5.1, 5.3.1)."""
    octets = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10:
        octets += 4 + 4 * int.from_bytes(packet[octets + 2 : octets + 4], "big")
    return octets


class Keys:
    """The session keys of one half, RTP or RTCP."""

    def __init__(self, master: bytes, key: int, auth: int, salt: int) -> None:
        self._key = derive(master, key, 16)
        self._auth = derive(master, auth, 20)
        self._salt = int.from_bytes(derive(master, salt, 14), "big")

    def crypt(self, ssrc: int, index: int, data: bytes) -> bytes:
        """Encrypt or decrypt (4.1.1: IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16))."""
        stream = keystream(self._key, self._salt << 16 ^ ssrc << 64 ^ index << 16, len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))

    def tag(self, data: bytes) -> bytes:
        """The first 80 bits of the HMAC (4.2.1)."""
        return hmac.new(self._auth, data, hashlib.sha1).digest()[:TAG]


class Reference:
    """One key, one direction, any number of SSRCs."""

    def __init__(self, master: bytes) -> None:
        self._rtp = Keys(master, RTP_KEY, RTP_AUTH, RTP_SALT)
        self._rtcp = Keys(master, RTCP_KEY, RTCP_AUTH, RTCP_SALT)
        self._highest: dict[int, int] = {}  # packet index, 48 bits, by SSRC
        self._rtcp_index: dict[int, int] = {}
        self._seen: set[tuple[int, int]] = set()

    def index(self, ssrc: int, sequence: int) -> int:
        """The packet index that is most likely meant (3.3.1, appendix A)."""
        highest = self._highest.get(ssrc, sequence)
        rollovers = highest >> 16
        if highest & 0xFFFF < 0x8000:
            if sequence - (highest & 0xFFFF) > 0x8000:
                rollovers -= 1
        elif (highest & 0xFFFF) - 0x8000 > sequence:
            rollovers += 1
        return (max(0, rollovers) << 16) | sequence

    def protect(self, packet: bytes) -> bytes:
        ssrc, index = self._place(packet)
        self._highest[ssrc] = max(index, self._highest.get(ssrc, index))
        start = header_octets(packet)
        secured = packet[:start] + self._rtp.crypt(ssrc, index, packet[start:])
        return secured + self._rtp.tag(secured + (index >> 16).to_bytes(4, "big"))

    def unprotect(self, packet: bytes) -> bytes:
        secured, tag = packet[:-TAG], packet[-TAG:]
        ssrc, index = self._place(packet)
        if (ssrc, index) in self._seen:
            raise Refused("replayed")
        if not hmac.compare_digest(tag, self._rtp.tag(secured + (index >> 16).to_bytes(4, "big"))):
            raise Refused("forged")
        self._seen.add((ssrc, index))
        self._highest[ssrc] = max(index, self._highest.get(ssrc, index))
        start = header_octets(secured)
        return secured[:start] + self._rtp.crypt(ssrc, index, secured[start:])

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypted, with the E bit and the next index, which begins at 1 (3.4)."""
        ssrc = int.from_bytes(packet[4:8], "big")
        self._rtcp_index[ssrc] = index = self._rtcp_index.get(ssrc, 0) + 1
        secured = packet[:8] + self._rtcp.crypt(ssrc, index, packet[8:]) + (0x80000000 | index).to_bytes(4, "big")
        return secured + self._rtcp.tag(secured)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        secured, tag = packet[:-TAG], packet[-TAG:]
        if not hmac.compare_digest(tag, self._rtcp.tag(secured)):
            raise Refused("forged")
        trailer = int.from_bytes(secured[-4:], "big")
        if not trailer >> 31:
            return secured[:-4]
        return secured[:8] + self._rtcp.crypt(int.from_bytes(secured[4:8], "big"), trailer & 0x7FFFFFFF, secured[8:-4])

    def _place(self, packet: bytes) -> tuple[int, int]:
        ssrc = int.from_bytes(packet[8:12], "big")
        return ssrc, self.index(ssrc, int.from_bytes(packet[2:4], "big"))
