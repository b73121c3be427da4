"""`python -m benchmarks [NAME…]`: runs the named benchmarks, or all but `hostile` and `soak`, which take minutes.

Prints a table each, and all results as one JSON line at the end.
"""

import json
import sys

from benchmarks import hostile, inbound, rtp_echo, sip_calls, soak, startup

BENCHMARKS = {
    "sip": sip_calls.measure,
    "inbound": inbound.measure,
    "rtp": rtp_echo.measure,
    "srtp": rtp_echo.measure_secure,
    "start": startup.measure,
    "hostile": hostile.measure,
    "soak": soak.measure,
}


_LONG = ("hostile", "soak")


def main() -> None:
    wanted = sys.argv[1:] or [name for name in BENCHMARKS if name not in _LONG]
    unknown = set(wanted) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    results = {name: BENCHMARKS[name]() for name in wanted}
    print(json.dumps(results))


main()
