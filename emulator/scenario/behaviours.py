"""Faults that are fields of a call's behaviour: how it is answered and ended, and what is done to its media."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from emulator.media.codecs import CODECS
from emulator.media.dtmf_sender import Quirk
from emulator.media.plan import Plan, Specs
from emulator.scenario import kinds
from emulator.scenario.kind import Kind
from emulator.scenario.media_kinds import NOT_IMPAIRMENTS, Dtmf, Media
from emulator.scenario.spec import FaultSpec
from emulator.trunk.behaviour import Behaviour

_CODECS = {codec.name: codec for codec in CODECS}
_AT_ONCE = 0.001
"""Seconds; `longest` takes 0 for no limit."""


def changed(behaviour: Behaviour, spec: FaultSpec, seed: int) -> Behaviour:
    """How a call that is struck goes. `seed` is for what happens to its packets by chance."""
    what: Kind = spec.what
    if isinstance(what, kinds.Answer):
        return _answered(behaviour, what)
    if isinstance(what, kinds.HangUp):
        return replace(behaviour, longest=max(what.delay, _AT_ONCE))
    if isinstance(what, kinds.Hold):
        return replace(behaviour, hold_after=what.delay, hold_for=what.length)
    if isinstance(what, kinds.Codec):
        return replace(behaviour, codec=_CODECS[what.name], codec_after=what.delay)
    if isinstance(what, kinds.Refresh):
        timer = replace(
            behaviour.session_timer, ask=True, interval=round(what.interval), refresher="uas", refreshes=what.how == "sent"
        )  # fmt: skip
        return replace(behaviour, session_timer=timer, refresh_every=what.spacing or behaviour.refresh_every)
    if isinstance(what, Dtmf):
        quirk = Quirk[what.quirk.upper().replace("-", "_")]
        return replace(behaviour, media=replace(behaviour.media, digits=what.digits, digits_after=what.delay, quirk=quirk))
    assert isinstance(what, Media)
    return replace(behaviour, media=_impaired(behaviour.media, what, spec.where.direction == "in", seed))


def _answered(behaviour: Behaviour, what: kinds.Answer) -> Behaviour:
    ringing = what.ringing or behaviour.ringing
    if not ringing and (what.never or what.delay):  # of a number that is answered at once: what takes its time rings
        ringing = 180
    behaviour = replace(behaviour, refuse=None, silent=False, ringing=ringing)
    if what.never:
        return replace(behaviour, answer_after=None)
    if what.status is not None:
        return replace(behaviour, answer_after=None, unanswered_after=what.delay or 0.0, unanswered_status=what.status)
    return replace(behaviour, answer_after=what.delay) if what.delay is not None else behaviour


def _impaired(plan: Plan, what: Media, heard: bool, seed: int) -> Plan:
    said: dict[str, Any] = msgspec.to_builtins(what)
    specs = {name: given for name, given in said.items() if name not in NOT_IMPAIRMENTS}
    if what.play is not None:
        plan = replace(plan, play=what.play)
    plan = replace(plan, other_port=plan.other_port or what.other_port, srtp=what.srtp or plan.srtp, seed=seed)
    if heard:
        return replace(plan, heard=_added(plan.heard, specs, what))
    return replace(plan, sent=_added(plan.sent, specs, what))


def _added(known: Specs, more: Mapping[str, Any], what: Media) -> Specs:
    """Each impairment once: the newer one counts."""
    chosen = dict(known)
    for name in more:
        part = getattr(what, name.replace("-", "_"))
        values = {field: getattr(part, field.replace("-", "_")) for field in part.__struct_fields__}
        chosen[name] = {key: value for key, value in values.items() if value is not None}
    return tuple(chosen.items())
