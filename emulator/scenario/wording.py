"""Steps and expectations in words, for progress and reports."""

from collections.abc import Iterable, Mapping

from emulator.counting import counted
from emulator.scenario import expectation as e
from emulator.scenario import model as m
from emulator.scenario.matches import AnswerMatch, CallMatch, EventMatch, OptionsMatch, RegisterMatch, RequestMatch
from emulator.scenario.terms import Place


def step_in_words(step: m.Step) -> str:
    """What a step does, in a line."""
    match step:
        case m.DownStep(down=down):
            calls = "" if down.keep_calls else ", calls there are cut"
            return f"{listed(down.names)} down ({down.how}{calls}{_for(down.for_)})"
        case m.UpStep(up=up):
            return f"{listed(up.names)} up"
        case m.FaultStep(fault=value, as_=name):
            return f"fault {name + ': ' if name else ''}{value}"
        case m.ClearStep(clear=name):
            return "clear every fault" if name == "all" else f"clear {name}"
        case m.ExpectStep(expect=expected):
            return expected_in_words(expected)
        case m.NeverStep(never=never):
            return never_in_words(never)
        case m.CallStep(call=call):
            return f"call {call.number} from {call.from_ or 'a hidden number'}{_as(call.as_)}"
        case m.HangupStep(hangup=on):
            return f"hang up {on.call}"
        case m.CancelStep(cancel=on):
            return f"cancel {on.call}"
        case m.DtmfStep(dtmf=dtmf):
            return f"dial {dtmf.digits} in {dtmf.call}"
        case m.HoldStep(hold=on):
            return f"put {on.call} on hold"
        case m.ResumeStep(resume=on):
            return f"take {on.call} off hold"
        case m.WaitStep(wait=wait):
            return wait_in_words(wait)
        case m.RunStep(run=run):
            return f"run {' '.join(run.command)}"
        case m.NoteStep(note=note):
            return note
    raise AssertionError(step)


def wait_in_words(wait: m.Wait) -> str:
    if wait.event is not None:
        return f"wait for {_event(wait.event)}"
    if wait.listening is not None:
        return f"wait for somebody to listen at {wait.listening}"
    return f"wait {time_in_words(wait.for_ or 0.0)}"


def expected_in_words(expected: e.Expectation) -> str:
    """What is expected, in a line, without the time it has."""
    match expected:
        case e.ExpectMedia():
            return f"media of {expected.media}: {', '.join(_media(expected))}"
        case e.ExpectAttempts():
            return f"attempts of {expected.attempts}: {', '.join(_attempts(expected)) or 'any'}"
        case e.ExpectEnded():
            return (
                f"{expected.ended} ended"
                + (f" by the {expected.by}" if expected.by else "")
                + (f" with {listed(expected.code, 'or')}" if expected.code else "")
                + (f" after {expected.lasted}" if expected.lasted else "")
            )
        case e.ExpectOrder():
            return "in this order: " + "; ".join(_happening(one) for one in expected.order)
    return _happening(expected) + _as(expected.as_)


def never_in_words(never: e.Never) -> str:
    """What must not be."""
    if isinstance(never, e.NeverEnded):
        return f"{never.ended} does not end{_for(never.for_)}"
    since = f" since {never.since}" if never.since else ""
    return f"never {_happening(never)}{since}{_for(never.for_)}"


def _happening(one: e.Happening | e.Never) -> str:
    match one:
        case e.ExpectCall(call=call) | e.NeverCall(call=call):
            what = call_in_words(call)
        case e.ExpectOptions(options=options) | e.NeverOptions(options=options):
            what = f"OPTIONS{_conditions(options)}"
        case e.ExpectRegister(register=register) | e.NeverRegister(register=register):
            what = f"REGISTER{_conditions(register)}"
        case e.ExpectRequest(request=request) | e.NeverRequest(request=request):
            what = f"{request.method or 'request'}{_conditions(request)}"
        case e.ExpectAnswer(answer=answer) | e.NeverAnswer(answer=answer):
            what = f"{listed(answer.status, 'or') or 'an answer'} to {answer.method or 'a request'}{_conditions(answer)}"
        case e.ExpectDns(dns=dns) | e.NeverDns(dns=dns):
            what = f"question to DNS{_pairs({'name': dns.name, 'type': dns.type, 'answer': dns.answer})}"
        case e.ExpectEvent(event=event) | e.NeverEvent(event=event):
            what = _event(event)
        case e.ExpectFinding(finding=finding) | e.NeverFinding(finding=finding):
            what = (
                (f"finding {finding.code}" if finding.code else "finding")
                + (f" of severity {listed(finding.severity, 'or')}" if finding.severity else "")
                + (f" in {finding.call}" if finding.call else "")
                + _pairs({"seen": finding.seen})
            )
        case _:
            raise AssertionError(one)
    return f"{one.count} times {what}" if one.count > 1 else what


def call_in_words(call: CallMatch) -> str:
    """`call to 447700900200 at us-4-1 over TLS …`."""
    return (
        "call"
        + (f" to {call.to}" if call.to else "")
        + (f" from {call.from_}" if call.from_ else "")
        + _conditions(call)
        + _pairs(
            {
                "host": call.host, "account": call.account, "codec": listed(call.codec, "or"), "tried": listed(call.tried, "then")
            }
        )
        + _said(call.srtp, ", SRTP", ", plain RTP")
        + _said(call.acked, ", acknowledged", ", not acknowledged")
        + _said(call.srv, ", found by SRV", ", not found by SRV")
        + _headers(call.headers)
    )  # fmt: skip


def _conditions(match: Place) -> str:
    """Place, transport, status, and whatever else a kind of request has."""
    transport = getattr(match, "transport", ())
    status = getattr(match, "status", ())
    said = match.place_in_words + (f" over {listed(transport, 'or')}" if transport else "")
    if isinstance(match, RequestMatch):
        said += (f" in {match.call}" if match.call else "") + (f" to {match.to}" if match.to else "")
        said += _pairs({"host": match.host, "from": match.peer, "body": match.body}) + _headers(match.headers)
    elif isinstance(match, AnswerMatch):
        return said + (f" in {match.call}" if match.call else "") + _pairs({"from": match.peer})
    elif isinstance(match, OptionsMatch):
        said += _pairs({"from": match.peer})
    elif isinstance(match, RegisterMatch):
        said += _pairs({"account": match.account})
    return said + (f", answered {listed(status, 'or')}" if status else "")


def _media(expected: e.ExpectMedia) -> Iterable[str]:
    if expected.echoed is not None:
        yield "echoed" if expected.echoed else "not echoed"
    if expected.one_way is not None:
        yield "one way" if expected.one_way else "both ways"
    if expected.codec:
        yield listed(expected.codec, "or")
    if expected.srtp is not None:
        yield "SRTP" if expected.srtp else "plain RTP"
    if expected.dtmf is not None:
        yield f"digits {expected.dtmf or 'none'}"
    if expected.packets is not None:
        yield f"at least {counted(expected.packets, 'packet')} heard"
    if expected.sent:
        yield f"at least {counted(expected.sent, 'packet')} sent"
    if expected.loss is not None:
        yield f"loss at most {expected.loss * 100:g} %"
    if expected.jitter is not None:
        yield f"jitter at most {expected.jitter * 1000:g} ms"
    if expected.mos is not None:
        yield f"MOS at least {expected.mos:g}"
    if expected.seen_loss is not None:
        yield f"the device reports loss of at least {expected.seen_loss * 100:g} %"
    if expected.anew:
        yield "from there on"


def _attempts(expected: e.ExpectAttempts) -> Iterable[str]:
    if expected.codes:
        yield listed(expected.codes, "then")
    if expected.targets:
        yield f"to {listed(expected.targets, 'then')}"
    if expected.transports:
        yield f"over {listed(expected.transports, 'then')}"
    if expected.gaps:
        yield f"{listed(expected.gaps, 'then')} apart"
    if expected.status:
        yield f"the caller gets {listed(expected.status, 'or')}"


def _event(event: EventMatch) -> str:
    return f"event {event.kind}{f' of {event.call}' if event.call else ''}{_pairs(event.fields)}"


def _pairs(values: Mapping[str, object]) -> str:
    return "".join(f", {name} {value}" for name, value in values.items() if value not in (None, ""))


def _headers(headers: Mapping[str, str | None]) -> str:
    return "".join(f", {f'{name}: {value}' if value is not None else f'no {name}'}" for name, value in headers.items())


def _said(value: bool | None, yes: str, no: str) -> str:
    return "" if value is None else yes if value else no


def _as(name: str | None) -> str:
    return f" ({name})" if name else ""


def _for(seconds: float | None) -> str:
    return f" for {time_in_words(seconds)}" if seconds is not None else ""


def listed(words: Iterable[str], between: str = "and") -> str:
    """`a, b and c`."""
    all_of_them = list(words)
    if len(all_of_them) < 2:
        return "".join(all_of_them)
    return f"{', '.join(all_of_them[:-1])} {between} {all_of_them[-1]}"


def time_in_words(seconds: float) -> str:
    """`300 ms`, `2.5 s`, `3 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return f"{seconds / 60:.1f}".removesuffix(".0") + " min"
