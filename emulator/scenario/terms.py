"""The words that all parts of the scenario language share: names, places, times, statuses, and patterns of text."""

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from emulator.annotations import OTHERWISE
from emulator.quantities import duration
from emulator.trunk.regions import PROXIES, REGIONS, SITES, hosts_of, proxies_of, short_name

START = "start"
"""What `since` calls the beginning of the scenario."""
ALL = "all"


def _undecorated(name: str) -> str:
    """The key of a field whose name would be a word of Python's own: `from_` is `from`."""
    return name.rstrip("_")


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=_undecorated):
    """What all parts of the language share."""


def told(description: str, **constraints: Any) -> Meta:
    """What a key means."""
    return Meta(description=description, **constraints)


def seconds(description: str, **constraints: Any) -> Meta:
    """A time, read as config's are."""
    return Meta(description=description + " Seconds, or text such as 500ms, 10s, 2m.", extra={"text": "duration"}, **constraints)


def share(description: str) -> Meta:
    """A fraction, read from `0.05` or `5%`."""
    return Meta(description=description + " A fraction, or text such as 5%.", extra={"text": "share"})


Name = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9 _-]{0,39}$",
        extra={"write": "a name of letters, digits, blanks, - and _, with a letter first"},
    ),
]
"""What one thing of the story is called."""


def _names(names: Iterable[str]) -> Meta:
    """Places of the table, by these names or by those of their hosts."""
    return Meta(extra={"reads": short_name}, extra_json_schema={OTHERWISE: [host for name in names for host in hosts_of(name)]})


_Proxy = Literal[
    "us-3-1", "us-3-2", "us-4-1", "us-4-2", "eu-3-1", "eu-3-2", "eu-4-1", "eu-4-2", "ap-3-1", "ap-3-2", "ap-4-1", "ap-4-2"
]  # fmt: skip
_Site = Literal["us-3", "us-4", "eu-3", "eu-4", "ap-3", "ap-4"]
_Region = Literal["us", "eu", "ap"]
ProxyName = Annotated[_Proxy, _names(PROXIES)]
SiteName = Annotated[_Site, _names(SITES)]
RegionName = Annotated[_Region, _names(REGIONS)]
PlaceName = Annotated[Literal["all", _Region, _Site, _Proxy], _names((ALL, *REGIONS, *SITES, *PROXIES))]
"""A proxy, a site, a region, or all of them."""
Transport = Literal["UDP", "TCP", "TLS"]
Codec = Literal["PCMA", "PCMU", "G722", "G729", "iLBC", "speex"]
Status = Annotated[str, Meta(pattern="^[1-6]([0-9][0-9x]|xx)$", extra={"write": "a status such as 503, or a class of them such as 5xx"})]
Glob = Annotated[str, Meta(min_length=1, max_length=400)]
"""Text in which * stands for any characters, and ? for one."""
ProxyGlob = Annotated[str, Meta(min_length=1, max_length=400, extra={"reads": short_name})]
Bounds = Annotated[
    str,
    Meta(
        pattern=r"^[0-9.]+ *(ms|s|m)?( *\.\. *[0-9.]+ *(ms|s|m)?)?$",
        extra={"write": "a time such as 2s, or bounds such as 1.8s..2.5s"},
    ),
]
"""How long something lasts: a time, give or take half a second, or the least and the most."""
_GIVE_OR_TAKE = 0.5


def bounds(text: str) -> tuple[float, float] | None:
    """The least and the most of `2s` or `1.8s..2.5s`, in seconds; None where it is neither."""
    low, between, high = text.partition("..")
    least, most = duration(low), duration(high if between else low)
    if least is None or most is None or most < least:
        return None
    return (least, most) if between else (least - _GIVE_OR_TAKE, most + _GIVE_OR_TAKE)


class Place(Part, frozen=True):
    """Where something happens. A list means any of them."""

    proxy: Annotated[tuple[ProxyName, ...], told("The proxy, or one of several.")] = ()
    site: Annotated[tuple[SiteName, ...], told("The site: any proxy of it.")] = ()
    region: Annotated[tuple[RegionName, ...], told("The region: any proxy of it.")] = ()

    @property
    def proxies(self) -> tuple[str, ...]:
        """The proxies meant, in the order of the table; all where nothing is said."""
        chosen = [set(proxies) for proxies in self._choices if proxies]
        return tuple(proxy for proxy in PROXIES if all(proxy in proxies for proxies in chosen))

    @property
    def _choices(self) -> tuple[list[str], ...]:
        return (
            list(self.proxy),
            [proxy for site in self.site for proxy in proxies_of(site)],
            [proxy for region in self.region for proxy in proxies_of(region)],
        )

    @property
    def somewhere(self) -> bool:
        """Whether a place is named at all."""
        return bool(self.proxy or self.site or self.region)

    @property
    def place_in_words(self) -> str:
        """` at us-3-1 or us-3-2`, or nothing."""
        names = [*self.proxy, *self.site, *self.region]
        return f" at {' or '.join(names)}" if names else ""


def matches(pattern: str, text: str) -> bool:
    """Whether `text` fits a pattern with * and ?, whatever the case."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")), re.IGNORECASE)  # brackets are those of IPv6, not of sets


def status_fits(wanted: str, status: int | str | None) -> bool:
    """Whether a status, or another word for an outcome, is the wanted one; `5xx` is the whole class, `18x` ten of it."""
    text, known = str(status), wanted.rstrip("x")
    return text == wanted or (wanted != known and len(text) == 3 and text.isdigit() and text.startswith(known))


def number_fits(wanted: str, number: str) -> bool:
    """Whether a number is the wanted one, however it is dialled: with `+`, `00` or neither."""
    return matches(bare(wanted), bare(number))


def bare(number: str) -> str:
    """A number without what stands before its country code."""
    digits = number.removeprefix("+")
    return digits.removeprefix("00")
