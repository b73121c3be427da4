"""What a ClientHello offers."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip.tls import names_of, offered_versions


def hello(minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = minimum, maximum
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname="sip-us.vonage.com")
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("minimum", "maximum", "offered"),
    [
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "TLS 1.2"),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "TLS 1.3"),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, "TLS 1.3, TLS 1.2"),
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, "TLS 1.1"),
    ],
)
def test_the_versions_on_offer(minimum: ssl.TLSVersion, maximum: ssl.TLSVersion, offered: str) -> None:
    versions = offered_versions(hello(minimum, maximum))
    assert versions is not None and names_of(versions) == offered


def test_half_a_hello_is_none_yet() -> None:
    whole = hello(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    assert all(offered_versions(whole[:end]) is None for end in range(len(whole)))


@given(st.binary(max_size=200))
def test_no_octets_raise(data: bytes) -> None:
    offered_versions(data)
    offered_versions(b"\x16\x03\x01\x00\xff\x01\x00\x00" + data)
