"""`python -m tests.fuzz [--seed N] [--count N]`: the attack by hand, as long as wanted."""

import argparse
import random
import tempfile
from pathlib import Path

from tests.fuzz.served import attack, descriptors
from tests.support.serve import Serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--count", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        serve = Serve(Path(directory))
        try:
            before = descriptors(serve.process.pid)
            print(attack(serve, options.seed, options.count), f"descriptors {before} before, {descriptors(serve.process.pid)} after")
        finally:
            serve.stop()


main()
