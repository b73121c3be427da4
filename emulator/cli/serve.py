"""`vsim serve`."""

import gc
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.options import config_options
from emulator.cli.reactor import report, the_reactor
from emulator.cli.reactor import run as run_on
from emulator.config import Config
from emulator.config_sources import load
from emulator.counting import counted

if TYPE_CHECKING:
    from emulator.control.model import Endpoints

_DESCRIPTORS = 65536
_GC_THRESHOLDS = (1_000, 400, 50)
"""A call leaves no cycles behind, so the collector finds next to nothing: with Python's own thresholds its walks cost a third of a call.
What is new is walked while the processor's cache has it: 20,000 objects at once take 20 ms, by the thousand 4, and nothing waits."""


@click.command()
@config_options
def serve(config_file: str | None, **flags: Any) -> None:
    """Run the emulator in the foreground.

    Prints where everything listens, then one line per event. SIGTERM or Ctrl-C ends every call with BYE and stops within five seconds;
    a second one stops at once.
    """
    # two underscores stand for the dot of a nested setting, which no parameter can have in its name
    run(load(config_file, os.environ, {name.replace("__", "."): value for name, value in flags.items()}))


def run(config: Config) -> None:
    """Serve until a signal. Raises `Unusable` when it can't start."""
    reactor = the_reactor()
    from emulator.cli.output import Output
    from emulator.imports import Imports
    from emulator.journal.events import line
    from emulator.service import Service

    _raise_descriptor_limit()
    as_json = config.log_format == "json"
    output = Output(reactor.callLater, _standard_output(), _gap_as_json if as_json else _gap)
    service = Service(config, reactor, report)

    def start() -> None:
        endpoints = service.start()
        service.journal.listen(lambda event: output.write(event.as_json() if as_json else line(event)))
        if as_json:
            for event in service.journal.events():
                output.write(event.as_json())
        else:
            for text in banner(endpoints):
                output.write(text)
        output.flush()
        gc.collect()
        gc.freeze()  # what the start made lives as long as the process: no need to walk it again
        gc.set_threshold(*_GC_THRESHOLDS)
        Imports(service.clock, lambda: service.trunk.calls, report, gc.freeze).start()

    def stop() -> None:
        service.stop().addBoth(stopped)

    def stopped(_: object) -> None:
        output.close()
        reactor.stop()

    run_on(reactor, start, stop)


def _raise_descriptor_limit() -> None:
    """A call has three media sockets, and the soft limit of many systems is 1,024 descriptors."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def banner(endpoints: "Endpoints") -> list[str]:
    """What a person needs, on one screen."""
    width = max(len(proxy.host) for proxy in endpoints.proxies.values())
    lines = [f"vsim {endpoints.version}: Vonage's SIP trunk, emulated; layout {endpoints.layout}", ""]
    for proxy in endpoints.proxies.values():
        lines.append(f"  {proxy.host:<{width}}  {proxy.address:<12} UDP+TCP {proxy.udp:<5}  TLS {proxy.tls}")
    account = endpoints.account
    dns = endpoints.dns
    lines += [
        "",
        f"  account  key {account.key}  secret {account.secret}" + (f"  caller ID {account.numbers[0]}" if account.numbers else ""),
        f"  DNS      {dns.address}:{dns.port}   try: dig @{dns.address} -p {dns.port} _sip._udp.sip-us.vonage.com SRV",
        f"  CA       {endpoints.ca}",
        f"  API      {endpoints.control}   try: vsim calls, vsim tail",
        "",
        "ready; Ctrl-C stops it",
    ]
    return lines


def _standard_output() -> int:
    """Its descriptor. Where it was closed from the beginning, that number would be the first socket's."""
    if sys.stdout is None:
        return os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    return sys.stdout.fileno()


def _gap(lines: int) -> str:
    return f"… {counted(lines, 'line')} left out: nobody read what stands before this one"


def _gap_as_json(lines: int) -> str:
    return json.dumps({"kind": "log.left-out", "lines": lines}, separators=(",", ":"))
