"""What the operating system refuses, in words."""

import errno

import pytest

from emulator.problems import in_words, no_way


def test_the_systems_words() -> None:
    assert in_words(OSError(errno.EADDRINUSE, "Address already in use")) == "address already in use"


@pytest.mark.parametrize(
    ("number", "local", "peer", "told"),
    [
        (errno.EINVAL, "127.0.23.1", "192.0.2.7", True), (errno.EINVAL, "::1", "2001:db8::1", True),
        (errno.EINVAL, "127.0.23.1", "127.0.0.1", False), (errno.EINVAL, "192.0.2.1", "192.0.2.7", False),
        (errno.ENETUNREACH, "127.0.23.1", "192.0.2.7", False), (None, "127.0.23.1", "192.0.2.7", False), (errno.EINVAL, "", "::1", False),
    ],
)  # fmt: skip
def test_a_loopback_address_reaches_no_other_machine(number: int | None, local: str, peer: str, told: bool) -> None:
    """Linux says `invalid argument`, of which nobody thinks that the layout is to be another one."""
    said = no_way(number, local, peer)
    assert (said is not None) == told and (said is None or (local in said and "--layout ports" in said))
