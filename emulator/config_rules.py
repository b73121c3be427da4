"""What no single setting can know: values that must agree, names and addresses that must be some."""

import re
from collections.abc import Iterator

from emulator.addresses import is_address, parse_host_port
from emulator.config import AUTO, Config, DnsSettings, NumberSettings
from emulator.yaml import At


def check(config: Config) -> Iterator[tuple[At, str]]:
    """What no single field can know: where it stands, and what is wrong."""
    media = config.media
    if not 1024 <= media.first < media.last <= 65535:
        yield ("media", "ports"), f"media.ports {media.ports!r}; write FIRST-LAST between 1024 and 65535"
    times = config.registrar
    if not times.minimum_expires <= times.default_expires <= times.maximum_expires:
        yield (
            ("registrar", "default_expires"),
            f"registrar.default_expires {times.default_expires}; "
            f"choose it between minimum_expires {times.minimum_expires} and maximum_expires {times.maximum_expires}",
        )
    keys = [account.key for account in config.accounts]
    for n, key in enumerate(keys):
        if key in keys[:n]:
            yield ("accounts", str(n), "key"), f"account {key!r} stands there twice; remove one"
        if any(character in key for character in '":\\ ') or not key.isprintable():
            yield ("accounts", str(n), "key"), f"account key {key!r}; a digest username here has no quotes, colons, backslashes or blanks"
    addresses: list[tuple[At, str | None]] = [(("bind",), config.bind), (("advertise",), config.advertise)]
    addresses += [(("dns", "hosts", name), address) for name, address in config.dns.hosts.items()]
    for at, address in addresses:
        if address is not None and not is_address(address) and (at, address) != (("advertise",), AUTO):
            yield at, f"{'.'.join(at[:2])} {address!r} is no IP address; write one such as 127.0.0.1"
    if config.bind in ("0.0.0.0", "::") and config.advertise is None and config.layout == "ports":
        yield ("bind",), f"bind {config.bind} without advertise; say with advertise which address clients reach, or auto"
    if config.advertise is not None and is_address(config.advertise) and (":" in config.bind) != (":" in config.advertise):
        # A socket of both families names IPv4 clients as no SDP and no Contact does; so sockets here have one.
        yield ("advertise",), f"advertise {config.advertise} with bind {config.bind}; write addresses of one family, IPv4 or IPv6"
    yield from _check_numbers(config)
    for name in media.prompts:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) or name in ("echo", "tone", "silence", "nothing", "given"):
            what = "write a name of letters, digits, dots and dashes that is no other thing to play"
            yield ("media", "prompts", name), f"media.prompts {name!r}; {what}"
    product = config.policy.product
    if product is not None and (not re.fullmatch(r"[A-Za-z0-9.!%*_+`'~/() -]{1,100}", product) or "vonage" in product.lower()):
        what = "write a name and version such as acme-trunk/1.0, and never Vonage's own"
        yield ("policy", "product"), f"policy.product {product!r}; {what}"
    yield from _check_names(config.dns)
    if config.dns.upstream is not None and parse_host_port(config.dns.upstream) is None:
        yield ("dns", "upstream"), f"dns.upstream {config.dns.upstream!r}; write ADDRESS:PORT"


def warnings(config: Config) -> list[str]:
    """What is odd, a line each, about a config that can be used."""
    return [what for number, one in config.numbers.items() for _, what in _check_forward(config, number, one, "warning")]


def _check_forward(config: Config, number: str, one: NumberSettings, severity: str) -> Iterator[tuple[At, str]]:
    if one.forward is not None:
        from emulator.trunk.forward_list import check  # a parser that a config without forwarding has no need of

        settings = config.forwarding
        for problem in check(one.forward, timeout_range=settings.timeout_range, most=settings.max_targets)[1]:
            if problem.severity == severity:
                yield ("numbers", number, "forward"), f"numbers.{number}.forward, {problem}"


def _check_numbers(config: Config) -> Iterator[tuple[At, str]]:
    for number, one in config.numbers.items():
        yield from _check_forward(config, number, one, "error")
        if one.voice_status_callback is not None:
            from emulator.trunk.status_callback import url_problem

            wrong = url_problem(one.voice_status_callback, config.webhook.allowed_hosts)
            if wrong is not None:
                yield ("numbers", number, "voice_status_callback"), f"numbers.{number}.voice_status_callback, {wrong}"


def _check_names(settings: DnsSettings) -> Iterator[tuple[At, str]]:
    if not settings.hosts and not settings.services:
        return
    from emulator.trunk.names import customer_service, is_name  # and with them dnspython, which a config without names has no need of

    for name in settings.hosts:
        if not is_name(name):
            yield ("dns", "hosts", name), f"dns.hosts {name!r} is no host name; write one such as pbx.example.net"
    for name, records in settings.services.items():
        for n, record in enumerate(records):
            try:
                customer_service(name, record)
            except ValueError as error:
                yield ("dns", "services", name, str(n)), f"dns.services.{name} {record!r}; {error}"
