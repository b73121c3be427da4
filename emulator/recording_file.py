"""The recording of a call, read for the control API."""

import os
from collections.abc import Iterator

from emulator.journal.record import CallRecord
from emulator.problems import in_words
from emulator.yaml import Unusable

_LONGEST = 32 << 20
"""Octets: a quarter of an hour."""
_PIECE = 1 << 16


def opened(record: CallRecord) -> tuple[Iterator[bytes], int]:
    """A call's WAV file in pieces, and its octets. Raises `Unusable`. The path is our own; nothing of it comes from a request."""
    if not record.recording:
        raise Unusable("", f"call {record.id} was not recorded; ring with record, or set media.record")
    try:
        octets = os.stat(record.recording).st_size
    except OSError as error:
        raise Unusable("", f"the recording of call {record.id} is not there any more ({in_words(error)})") from None
    if octets > _LONGEST:
        raise Unusable("", f"the recording of call {record.id} is longer than can be had this way; it is {record.recording}")
    return _read(record.recording, octets), octets


def _read(path: str, octets: int) -> Iterator[bytes]:
    """A file in pieces. It is open for one at a time: whoever reads slowly holds no descriptor."""
    for at in range(0, octets, _PIECE):
        with open(path, "rb") as file:
            file.seek(at)
            piece = file.read(min(_PIECE, octets - at))
        yield piece
