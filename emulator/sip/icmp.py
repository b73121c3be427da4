"""ICMP errors as Linux tells a UDP socket of them (ip(7), IP_RECVERR): octets of its error queue to words."""

import struct

IP_RECVERR = 11
IPV6_RECVERR = 25
_IPPROTO_IP, _IPPROTO_IPV6 = 0, 41
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err: errno, origin, type, code, padding, info, data
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3

# RFC 3261 18.4: "Host, network, port or protocol unreachable errors, or parameter problem errors SHOULD cause the transport layer to
# inform the transport user ... Source quench and TTL exceeded ICMP errors SHOULD be ignored." So is "fragmentation needed".
_ICMP = {
    (3, 0): "network unreachable", (3, 1): "host unreachable", (3, 2): "protocol unreachable", (3, 3): "port unreachable",
    (3, 5): "source route failed", (3, 6): "network unknown", (3, 7): "host unknown", (3, 9): "network prohibited",
    (3, 10): "host prohibited", (3, 11): "network unreachable", (3, 12): "host unreachable", (3, 13): "prohibited by a filter",
    (12, 0): "parameter problem", (12, 1): "parameter problem", (12, 2): "parameter problem",
}  # fmt: skip
_ICMP6 = {
    (1, 0): "network unreachable", (1, 1): "prohibited by a filter", (1, 2): "network unreachable", (1, 3): "host unreachable",
    (1, 4): "port unreachable", (1, 5): "prohibited by a filter", (1, 6): "network unreachable",
    (4, 0): "parameter problem", (4, 1): "parameter problem", (4, 2): "parameter problem",
}  # fmt: skip


def failure(ancillary: list[tuple[int, int, bytes]]) -> str | None:
    """Why a datagram did not arrive, from the ancillary data of one entry of the error queue; None when it says nothing of that."""
    for level, kind, data in ancillary:
        if (level, kind) in ((_IPPROTO_IP, IP_RECVERR), (_IPPROTO_IPV6, IPV6_RECVERR)) and len(data) >= _ERROR.size:
            _, origin, type_, code, _, _, _ = _ERROR.unpack_from(data)
            known = _ICMP if origin == _ORIGIN_ICMP else _ICMP6 if origin == _ORIGIN_ICMP6 else {}
            what = known.get((type_, code))
            return f"{what} (ICMP)" if what is not None else None
    return None
