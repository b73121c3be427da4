"""Which way to libsrtp is taken: the binding as long as it does what is expected of it."""

import subprocess
import sys
import types
from collections.abc import Callable

import pytest

from emulator.media import libsrtp
from emulator.media.libsrtp import TRAILER_OCTETS, Binding, Fault, Public, SrtpError
from emulator.media.srtp import Inbound, Outbound

# The packet libsrtp publishes.
KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
PLAIN = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
SECURE = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")


def test_the_binding_is_used_when_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libsrtp, "_library", None)
    assert type(libsrtp.library()) is Binding and libsrtp.library() is libsrtp.library()


def _without(name: str) -> Callable[[types.ModuleType], None]:
    def change(binding: types.ModuleType) -> None:
        real = binding.lib
        binding.lib = types.SimpleNamespace(**{key: getattr(real, key) for key in dir(real) if key != name})

    return change


def _wrong(binding: types.ModuleType) -> None:
    real = binding.lib
    binding.lib = types.SimpleNamespace(**{key: getattr(real, key) for key in dir(real)})
    binding.lib.srtp_protect = lambda context, packet, length: 0


def _failing(binding: types.ModuleType) -> None:
    _wrong(binding)
    binding.lib.srtp_create = lambda context, policy: 3


def _another_ffi(binding: types.ModuleType) -> None:
    binding.ffi = object()


def _emptied(binding: types.ModuleType) -> None:
    del binding.lib


@pytest.mark.parametrize("change", [_without("srtp_unprotect"), _without("srtp_create"), _wrong, _failing, _another_ffi, _emptied])
def test_a_binding_that_has_changed_is_not_used(change: Callable[[types.ModuleType], None], monkeypatch: pytest.MonkeyPatch) -> None:
    import pylibsrtp
    from pylibsrtp import _binding as real

    changed = types.ModuleType("pylibsrtp._binding")
    changed.ffi, changed.lib = real.ffi, real.lib  # type: ignore[attr-defined]
    change(changed)
    monkeypatch.setattr(pylibsrtp, "_binding", changed)
    monkeypatch.setitem(sys.modules, "pylibsrtp._binding", changed)
    monkeypatch.setattr(libsrtp, "_library", None)
    assert type(libsrtp.library()) is Public
    buffer = bytearray(SECURE)
    assert buffer[: Inbound(KEY).unprotect(buffer, len(buffer))] == PLAIN


def test_pylibsrtp_is_imported_with_the_first_call_that_needs_it() -> None:
    script = (
        "import sys; from emulator.media.srtp import Inbound; assert 'pylibsrtp' not in sys.modules;"
        "Inbound(bytes(30)); assert 'pylibsrtp' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


@pytest.mark.parametrize("kind", [Binding, Public])
def test_what_the_public_interface_cannot_take_is_refused(kind: type[Binding | Public], monkeypatch: pytest.MonkeyPatch) -> None:
    """1500 octets with room for the trailer: 1356 of RTP."""
    monkeypatch.setattr(libsrtp, "_library", kind())
    buffer = bytearray(PLAIN) + bytes(1412 - len(PLAIN) + TRAILER_OCTETS)
    if kind is Binding:
        assert Outbound(KEY).protect(buffer, 1412) == 1422
    else:
        with pytest.raises(SrtpError) as caught:
            Outbound(KEY).protect(buffer, 1412)
        assert caught.value.kind is Fault.MALFORMED
