"""The endpoints file: where a running emulator listens. Programs read it: further keys may follow, these stay."""

import json
import os
import tempfile
from pathlib import Path

import msgspec

from emulator.config import Unusable
from emulator.control.model import Endpoints
from emulator.problems import in_words


def write(path: Path, endpoints: Endpoints) -> None:
    """Write atomically, mode 0600. Raises `Unusable`."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(msgspec.to_builtins(endpoints), indent=1).encode() + b"\n")
            os.replace(temporary, path)  # mkstemp makes it 0600
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise Unusable(
            str(path),
            f"{in_words(error)}; name a file that can be written with --endpoints",
        ) from None


def read(path: Path) -> Endpoints | None:
    """What a file says; None when there is none or it is not ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Endpoints)
    except (OSError, msgspec.MsgspecError):
        return None


def running(path: Path) -> int | None:
    """The process that wrote the file, when it still runs; None otherwise."""
    known = read(path)
    if known is None or known.pid == os.getpid():
        return None
    try:
        os.kill(known.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return known.pid
    return known.pid


def remove(path: Path) -> None:
    """Remove the file if it is this process's own."""
    known = read(path)
    if known is not None and known.pid == os.getpid():
        path.unlink(missing_ok=True)
