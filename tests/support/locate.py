"""Finds targets under a real reactor: `python -m tests.support.locate UPSTREAM HOST[:PORT]/TRANSPORT/SOURCE…` prints a line each."""

import sys
from typing import Any

from emulator.addresses import parse_host_port
from emulator.clock import Clock
from emulator.dns.nameserver import Nameserver
from emulator.dns.resolver import Resolver
from emulator.dns.zone import Zone
from emulator.ids import Ids
from emulator.reactor_clock import ReactorClock
from emulator.sip.locate import LocateError, Locator


def main() -> None:
    from twisted.internet import reactor

    running: Any = reactor
    clock: Clock = ReactorClock(running, lambda problem: sys.exit(repr(problem)))
    ids = Ids(1)
    resolver = Resolver(running, clock, ids, Nameserver(running, clock, ids, Zone({}, [])), parse_host_port(sys.argv[1]))
    locator = Locator(resolver, ids, clock)
    lines: dict[str, str] = {}

    def locate(target: str) -> None:
        place, transport, source = target.split("/")
        host, _, port = place.partition(":")

        def done(result: Any) -> None:
            notes = "".join(f" ({note.code})" for note in lookup.notes)
            if isinstance(result, LocateError):
                lines[target] = f"{result}{notes}"
            else:
                lines[target] = " ".join(f"{hop.target}={hop.address[0]}:{hop.address[1]}" for hop in result) + notes
            if len(lines) == len(sys.argv) - 2:
                running.stop()

        lookup: Any = locator.locate(host, int(port) if port else None, transport, done, source)  # type: ignore[arg-type]

    for target in sys.argv[2:]:
        locate(target)
    running.run()
    for target in sys.argv[2:]:
        print(lines[target])


if __name__ == "__main__":
    main()
