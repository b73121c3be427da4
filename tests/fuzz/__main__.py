"""`python -m tests.fuzz [--seed N] [--count N | --machines N | --offers N | --packets N | --media SECONDS]`: the attacks by hand, as long
as wanted. `--count` and `--media` are at a running emulator, the others in memory."""

import argparse
import random
import tempfile
from pathlib import Path

from tests.fuzz import media, offers, served, streams, test_machines
from tests.support.serve import Serve, until

_MEGABYTE = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--count", type=int, default=1_000_000, help="messages at SIP, DNS and HTTP ports (the default)")
    what.add_argument("--machines", type=int, metavar="COUNT", help="messages through a trunk in memory")
    what.add_argument("--offers", type=int, metavar="COUNT", help="calls with mutated descriptions, in memory")
    what.add_argument("--packets", type=int, metavar="COUNT", help="media garbage at a stream of each kind, in memory")
    what.add_argument("--media", type=float, metavar="SECONDS", help="media garbage during calls of a running emulator")
    parser.add_argument("--shared", action="store_true", help="with --media: one media port for all calls")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    if options.machines is not None:
        test_machines.survive(options.seed, options.machines)
    elif options.offers is not None:
        print(offers.survive(options.seed, options.offers))
    elif options.packets is not None:
        print(streams.survive(options.seed, options.packets))
    else:
        _at_a_server(options)


def _at_a_server(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as directory:
        serve = Serve(Path(directory), *(media.SHARED if options.shared else ()))
        try:
            if options.media is not None:
                print(media.attack(serve, options.seed, options.media, most_growth=_MEGABYTE))
                return
            before = served.descriptors(serve.process.pid)
            print(served.attack(serve, options.seed, options.count), f"descriptors {before} before", end=", ", flush=True)
            until(lambda: served.descriptors(serve.process.pid) <= before + 2, "descriptors back to base", 40)
            print(served.descriptors(serve.process.pid), "after")
        finally:
            serve.stop()


main()
