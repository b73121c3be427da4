"""Messages that faults change, octet by octet."""

import pytest

from emulator.scenario.alter import with_number


@pytest.mark.parametrize(("before", "after"), [("41", "42"), ("9" * 5000, "9" * 4900 + "1" + "0" * 100), ("0", "1")])
def test_a_number_is_counted_up_however_long_it_is(before: str, after: str) -> None:
    """Python converts no more than 4,300 digits."""
    message = "INVITE sip:1@h SIP/2.0\r\nCSeq: {} INVITE\r\n\r\n"
    assert with_number(message.format(before).encode(), "cseq", None) == message.format(after).encode()
