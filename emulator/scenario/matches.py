"""Which calls, requests, answers, questions and events of a device an expectation means."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from emulator.journal.findings import Severity
from emulator.scenario.terms import Codec, Glob, Name, Part, Place, ProxyGlob, Status, Transport, told

_Statuses = Annotated[tuple[Status, ...], told("The final status; one of several where a list is given. 5xx is the whole class.")]


class CallMatch(Place, frozen=True):
    """A call that the device places. What is not said does not matter."""

    CALLED: ClassVar[Mapping[str, str]] = {"number": "to", "called": "to", "caller": "from"}

    to: Annotated[Glob | None, told("The number called, without + or 00; * stands for anything.")] = None
    from_: Annotated[Glob | None, told("The caller ID that is shown.")] = None
    host: Annotated[Glob | None, told("The host of the Request-URI, such as sip-us.vonage.com.")] = None
    transport: Annotated[tuple[Transport, ...], told("How the INVITE came.")] = ()
    account: Annotated[Glob | None, told("The API key that it proved to have.")] = None
    status: _Statuses = ()
    acked: Annotated[bool | None, told("Whether the final response was acknowledged.")] = None
    codec: Annotated[tuple[Codec, ...], told("What was agreed.")] = ()
    srtp: Annotated[bool | None, told("Whether media is SRTP.")] = None
    headers: Annotated[
        dict[str, Glob | None],
        told("Header fields of the INVITE and what they hold; * stands for anything, null for a header that is not there."),
    ] = msgspec.field(default_factory=dict)
    tried: Annotated[
        tuple[ProxyGlob, ...],
        told("The proxies where INVITEs for the number came since one was answered, in order, this one last; repetitions count once."),
    ] = ()
    srv: Annotated[bool | None, told("Whether the SRV records of the Request-URI's host, for this transport, were asked for before.")] = (
        None
    )


class RequestMatch(Place, frozen=True):
    """A request that the device sends, inside a call or outside."""

    method: Annotated[Glob | None, told("INVITE, BYE, OPTIONS …")] = None
    call: Annotated[Name | None, told("Inside this call.")] = None
    transport: Annotated[tuple[Transport, ...], told("How it came.")] = ()
    peer: Annotated[Glob | None, told("`address:port` that it came from.")] = None
    to: Annotated[Glob | None, told("The user part of the Request-URI.")] = None
    host: Annotated[Glob | None, told("The host of the Request-URI.")] = None
    status: _Statuses = ()
    headers: Annotated[dict[str, Glob | None], told("Header fields and what they hold; null for one that is not there.")] = msgspec.field(
        default_factory=dict
    )
    body: Annotated[Glob | None, told("What its body holds.")] = None


class AnswerMatch(Place, frozen=True):
    """A response of the device's to a request of the trunk's."""

    method: Annotated[Glob | None, told("The request: BYE, CANCEL, INVITE …")] = None
    status: Annotated[tuple[Status, ...], told("Which; one of several where a list is given. Without it any that is final.")] = ()
    call: Annotated[Name | None, told("Inside this call.")] = None
    transport: Annotated[tuple[Transport, ...], told("How it came.")] = ()
    peer: Annotated[Glob | None, told("`address:port` that it came from.")] = None


class OptionsMatch(Place, frozen=True):
    """A health check of the device's."""

    transport: Annotated[tuple[Transport, ...], told("How it came.")] = ()
    peer: Annotated[Glob | None, told("`address:port` that it came from.")] = None
    status: _Statuses = ()


class RegisterMatch(Place, frozen=True):
    """A registration of the device's."""

    transport: Annotated[tuple[Transport, ...], told("How it came.")] = ()
    account: Annotated[Glob | None, told("The API key in its credentials.")] = None
    status: _Statuses = ()


class DnsMatch(Part, frozen=True):
    """A question to the name server."""

    name: Annotated[Glob | None, told("The name that is asked for.")] = None
    type: Annotated[Glob | None, told("SRV, A, AAAA, NAPTR …")] = None
    answer: Annotated[Glob | None, told("The response code: NOERROR, NXDOMAIN, SERVFAIL …")] = None


class EventMatch(Part, frozen=True):
    """An event of the journal, as `vsim tail` shows them."""

    SHORT = "kind"

    kind: Annotated[Glob, told("Its kind, such as call.refreshed; * stands for anything.")]
    call: Annotated[Name | None, told("Of this call.")] = None
    fields: Annotated[dict[str, Glob], told("Its fields and what they hold.")] = msgspec.field(default_factory=dict)


class FindingMatch(Part, frozen=True):
    """A finding: something that was not as the trunk wants it."""

    SHORT = "code"

    code: Annotated[Glob | None, told("Its code, such as dtmf.no-marker; `vsim explain` lists all. * stands for anything.")] = None
    severity: Annotated[tuple[Severity, ...], told("How grave it is: the trunk refuses for an error, the real one may for a warning.")] = ()
    call: Annotated[Name | None, told("Of this call.")] = None
    seen: Annotated[Glob | None, told("What was seen.")] = None
