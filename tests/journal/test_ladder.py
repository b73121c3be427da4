"""What a ladder says of a message."""

import pytest

from emulator.journal.ladder import describe

_ESCAPES = "\x1b]0;x\x07\x9b31m\u202e"


@pytest.mark.parametrize(
    "message",
    [
        f"INVITE sip:{_ESCAPES}@h SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n",
        f"{_ESCAPES} sip:1@h SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n",
        f"SIP/2.0 200 {_ESCAPES}\r\nCSeq: 1 BYE\r\n\r\n",
        f"SIP/2.0 200 {_ESCAPES}\r\nCSeq: 1 INVITE\r\n\r\nm=audio 4000 RTP/{_ESCAPES} 0\r\n",
        f"INVITE sip:1@h SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 4000 RTP/{_ESCAPES} 0\r\n",
        f"{_ESCAPES}\r\n{_ESCAPES}\r\n\r\n{_ESCAPES}",
    ],
)
def test_nothing_in_a_message_moves_a_terminal(message: str) -> None:
    assert describe(message).isprintable()


def test_the_profile_of_audio_is_told() -> None:
    assert describe("INVITE sip:1@h SIP/2.0\r\n\r\nv=0\r\nm=audio 4000 RTP/SAVP 0\r\n") == "INVITE sip:1@h [SDP RTP/SAVP 4000]"
