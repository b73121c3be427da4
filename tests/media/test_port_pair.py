"""Media ports of each call: how they are found, rest and are given back."""

import errno
import os
import socket
from typing import Any

import pytest

from emulator.clock import SteppedClock
from emulator.media.port import Exhausted
from emulator.media.port_pair import MediaPorts
from emulator.media.sockets import Selector
from tests.media.ground import HOST, INSIDE, Reactor, ground


def test_without_a_socket_for_moved_reports_the_call_goes_on_and_none_is_left() -> None:
    place = ground("pairs", latch=True)
    phone = place.phone()
    port, stream = place.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    before = len(os.listdir("/proc/self/fd"))
    place.ports._descriptors = 0
    phone.say(port.number)
    place.settle()
    assert phone.heard() is not None and len(os.listdir("/proc/self/fd")) == before
    stream.end()
    port.close()
    place.ports._descriptors = 1 << 20
    port, stream = place.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    before = len(os.listdir("/proc/self/fd"))
    phone.say(port.number)
    place.settle()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    stream.end()
    port.close()
    assert len(os.listdir("/proc/self/fd")) == before
    place.close()


def test_a_client_that_names_an_ipv6_address_and_sends_over_ipv4_is_known_by_its_port() -> None:
    """interop-quirks 7."""
    place = ground("pairs")
    phone, stranger = place.phone(), place.phone()
    port, stream = place.call(phone, announced=("2001:db8::1", phone.address[1]))
    stranger.say(port.number)
    place.settle()
    assert stream.heard.packets == 0
    phone.say(port.number)
    place.settle()
    assert stream.heard.packets == 1 and phone.heard() is not None
    place.close()


def test_ports_rest_before_they_are_used_again_and_are_given_back() -> None:
    place = ground("pairs")
    phone = place.phone()
    port, stream = place.call(phone)
    number = port.number
    stream.end()
    port.close()
    port.close()
    assert place.ports.in_use == 0
    assert place.ports.open(HOST).number != number
    place.clock.advance(6)
    again, stream = place.call(phone)
    assert again.number == number
    phone.say(number)
    place.settle()
    assert stream.heard.packets == 1 and phone.heard() is not None
    place.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, number))


def test_nobody_else_can_bind_a_port_of_a_call() -> None:
    """The third socket shares the port with the first one, for a moment, and with nobody else."""
    place = ground("pairs")
    port, _ = place.call(place.phone())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError) as refused:
            sock.bind((HOST, port.number))
        assert refused.value.errno == errno.EADDRINUSE
    place.close()


def test_a_range_that_is_used_up() -> None:
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        number = sock.getsockname()[1] & ~1
        ports = MediaPorts(selector, clock, number, number + 1)
        with pytest.raises(Exhausted):
            ports.open(HOST)
    port = ports.open(HOST)
    with pytest.raises(Exhausted):
        ports.open(HOST)
    port.close()
    assert ports.open(HOST).number == number  # rested or not, there is no other
    ports.close()


def test_a_range_that_rests_at_one_address_is_there_for_another() -> None:
    """The numbers are those of all addresses: calls move on to the next site when one is down."""
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        number = sock.getsockname()[1] & ~1
    ports = MediaPorts(selector, clock, number, number + 1)
    for address in (HOST, "127.0.0.2", HOST):
        port = ports.open(address)
        assert port.number == number
        with pytest.raises(Exhausted):
            ports.open("127.0.0.3")
        port.close()
    ports.close()


@pytest.mark.parametrize("ephemeral", [False, True])
def test_without_descriptors_no_port_is_lost_and_those_that_rest_are_taken(monkeypatch: pytest.MonkeyPatch, ephemeral: bool) -> None:
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        number = sock.getsockname()[1] & ~1
    ports = MediaPorts(selector, clock, number, number + 3, ephemeral)
    left = 3

    class Socket(socket.socket):
        def __init__(self, *args: Any) -> None:
            nonlocal left
            if not left:
                raise OSError(errno.EMFILE, "Too many open files")
            super().__init__(*args)
            left -= 1

        def close(self) -> None:
            nonlocal left
            left += self.fileno() >= 0
            super().close()

    monkeypatch.setattr(socket, "socket", Socket)
    port = ports.open(HOST)
    for _ in range(5):
        with pytest.raises(Exhausted, match="Too many open files"):
            ports.open(HOST)
    port.close()
    assert ports.open(HOST) is port
    port.close()
    ports.open("127.0.0.2")
    left = 3
    ports.open(HOST)
    ports.close()


def test_descriptors_that_are_left_to_others() -> None:
    """Media must not take the last ones: nobody could connect any more, not even to ask what is wrong."""
    clock = SteppedClock()
    selector = Selector(Reactor(clock), clock, lambda error: None, 0, 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        number = sock.fileno()
    ports = MediaPorts(selector, clock, ephemeral=True, descriptors=number + 2)
    for _ in range(2):
        with pytest.raises(Exhausted, match="ulimit"):
            ports.open(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert sock.fileno() == number
    ports.close()
