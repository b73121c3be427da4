"""`python -m benchmarks [NAME…]`: runs the named benchmarks, or all but the soak, which takes minutes.

Prints a table each, and all results as one JSON line at the end.
"""

import json
import sys

from benchmarks import rtp_echo, sip_calls, soak, startup

BENCHMARKS = {"sip": sip_calls.measure, "rtp": rtp_echo.measure, "start": startup.measure, "soak": soak.measure}


def main() -> None:
    wanted = sys.argv[1:] or [name for name in BENCHMARKS if name != "soak"]
    unknown = set(wanted) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    results = {name: BENCHMARKS[name]() for name in wanted}
    print(json.dumps(results))


main()
