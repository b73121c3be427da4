"""Whom `--at` means."""

import pytest

from emulator.cli.surroundings import Surroundings, destination
from emulator.config import Unusable
from emulator.control.client import NotReachable
from emulator.sip.locate import Hop

KNOWN = Surroundings({"us-3-1": {"address": "127.0.13.1", "udp": 49448, "tcp": 49448, "tls": 45883}})


@pytest.mark.parametrize(
    ("at", "host"),
    [
        ("us-3-1", "sip-us-3-1.vonage.com"), (" US-3-1 ", "sip-us-3-1.vonage.com"), ("sip-us-3-1.vonage.com", "sip-us-3-1.vonage.com"),
        ("SIP-us-3-1.nexmo.com.", "sip-us-3-1.nexmo.com"),
    ],
)  # fmt: skip
def test_a_proxy_is_where_the_emulator_says_whatever_it_is_called(at: str, host: str) -> None:
    to = destination("447700900200", at, "TLS", KNOWN)
    assert (to.host, to.port) == (host, None)
    assert to.hops == (Hop("TLS", ("127.0.13.1", 45883), host, host),)


@pytest.mark.parametrize(
    ("at", "host"), [("us", "sip-us.vonage.com"), ("sip-us-3.nexmo.com", "sip-us-3.nexmo.com"), ("sip.nexmo.com", "sip.nexmo.com")]
)
def test_what_is_more_than_a_proxy_is_found_by_its_records(at: str, host: str) -> None:
    to = destination("447700900200", at, "UDP", KNOWN)
    assert (to.host, to.port, to.hops) == (host, None, None)


def test_without_an_emulator_a_host_is_still_a_host() -> None:
    assert destination("447700900200", "sip-us-3-1.vonage.com", "UDP", Surroundings()).host == "sip-us-3-1.vonage.com"
    with pytest.raises(NotReachable, match="no emulator is known"):
        destination("447700900200", "us-3-1", "UDP", Surroundings())


LIST = " trunk has the regions us, eu, ap, the sites us-3, us-4, eu-3, eu-4, ap-3, ap-4, and the proxies us-3-1 to ap-4-2"


@pytest.mark.parametrize(
    ("at", "near"),
    [
        ("us-5", "; did you mean 'us-4'? The"), ("us-3-3", "; did you mean 'us-3-2'? The"),
        ("sip-us-3-3.vonage.com", "; did you mean 'us-3-2'? The"), ("eu-west", "; the"), ("all", "; the"),
    ],
)  # fmt: skip
def test_a_wrong_short_name_is_told_with_what_was_meant_and_which_there_are(at: str, near: str) -> None:
    with pytest.raises(Unusable) as told:
        destination("447700900200", at, "UDP", KNOWN)
    assert str(told.value) == f"--at: {at!r} is no place of the trunk{near}{LIST}"


@pytest.mark.parametrize(
    ("at", "hint"),
    [
        ("us3-1", f"; did you mean 'us-3-1'? The{LIST}"), ("us_3_1", f"; did you mean 'us-3-1'? The{LIST}"), ("virginia", f"; the{LIST}"),
        ("sip-mars.vonage.com", f"; did you mean 'sip-us.vonage.com'? The{LIST}"), ("pbx.example.net", ""), ("pbx:5070", ""),
    ],
)  # fmt: skip
def test_what_may_be_a_host_is_told_so_once_it_is_not_found(at: str, hint: str) -> None:
    assert destination("447700900200", at, "UDP", KNOWN).hint == hint


def test_a_port_says_that_it_is_another_host() -> None:
    to = destination("447700900200", "sip-us-3-1.vonage.com:5070", "UDP", KNOWN)
    assert (to.host, to.port, to.hops) == ("sip-us-3-1.vonage.com", 5070, None)
