"""What the settings say of calls to the account's numbers, as the trunk takes it."""

from pathlib import Path
from typing import TYPE_CHECKING

from emulator.config import Config, Unusable
from emulator.problems import in_words
from emulator.trunk.policy import ForwardingPolicy, InboundPolicy, InviteForm

if TYPE_CHECKING:
    from emulator.trunk.directory import Entry
    from emulator.trunk.template import Template


def inbound_policy(config: Config) -> InboundPolicy:
    """Raises `Unusable`, a line for each mistake in a header or in the template."""
    settings = config.forwarding
    hunt = ForwardingPolicy(
        settings.timeout_until, settings.ring_limit, _statuses(settings.failover), settings.hop_timeout, settings.timeout_status,
        settings.unreachable_status, settings.no_answer_status,
    )  # fmt: skip
    _check_headers(settings.headers)
    form = InviteForm(
        settings.host, settings.plus, settings.asserted_identity, settings.privacy, tuple(tag for tag in settings.supported if tag),
        settings.offer, settings.headers, _template(settings.template) if settings.template is not None else None,
    )  # fmt: skip
    return InboundPolicy(
        hunt, form, settings.proxies, settings.channels, settings.channels_status, settings.unforwarded_status, settings.timeout_range,
        settings.max_targets, settings.session_expires,
    )  # fmt: skip


def entries(config: Config) -> list["Entry"]:
    """The numbers of the config, and those of the accounts that it says nothing about."""
    from emulator.trunk.directory import Entry

    found = {
        number: Entry(number, settings.forward, settings.region, settings.voice_status_callback)
        for number, settings in config.numbers.items()
    }
    for account in config.accounts:
        for number in account.numbers:
            found.setdefault(number, Entry(number))
    return list(found.values())


def _statuses(texts: tuple[str, ...]) -> frozenset[int]:
    """`5xx` is a class, `486` itself."""
    found: set[int] = set()
    for text in texts:
        first = int(text[0]) * 100
        found.update(range(first, first + 100) if text.endswith("xx") else (int(text),))
    return frozenset(found)


def _check_headers(headers: dict[str, str]) -> None:
    if not headers:
        return
    from emulator.trunk.callers import header_problem
    from emulator.trunk.template import value_problem

    problems = [problem for name, value in headers.items() if (problem := header_problem(name, value) or value_problem(value))]
    if problems:
        raise Unusable("", "\n".join(f"forwarding.headers: {problem}" for problem in problems))


def _template(path: str) -> "Template":
    from emulator.trunk.template import MAX_OCTETS, TemplateError, parse

    try:
        with Path(path).open("rb") as file:
            data = file.read(4 * MAX_OCTETS + 1)
        return parse(data.decode("utf-8"))
    except OSError as error:
        raise Unusable("forwarding.template", f"{path}: {in_words(error)}; name a file that can be read") from None
    except UnicodeDecodeError as error:
        raise Unusable(path, f"octet {error.start} is not UTF-8; save the file as UTF-8") from None
    except TemplateError as error:
        raise Unusable("", "\n".join(f"{path}:{problem}" for problem in error.problems)) from None
