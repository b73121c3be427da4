"""What the settings say of the trunk, its accounts and the media of its calls, as these take it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from emulator.clock import Clock
from emulator.config import Config, Unusable
from emulator.forwarding_settings import inbound_policy
from emulator.media.codecs import CODECS
from emulator.media.plan import Plan, Specs
from emulator.problems import in_words
from emulator.sip.methods import NOT_ALLOWED, Methods
from emulator.sip.timers import SessionTimerPolicy
from emulator.trunk.accounts import Account
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.limits import LEGACY_LIMIT, LimitPolicy
from emulator.trunk.numbers import EMERGENCY
from emulator.trunk.policy import MediaPolicy, Policy
from emulator.trunk.registrar import RegistrarPolicy
from emulator.trunk.studio import Studio


def accounts(config: Config) -> list[Account]:
    return [Account(account.key, account.secret, account.numbers, account.verified) for account in config.accounts]


def policy(config: Config) -> Policy:
    """What the settings say of the trunk."""
    settings, timer = config.policy, config.session_timer
    return Policy(
        strict=config.strict,
        foreign_nonces=config.digest.foreign_nonces == "accept",
        authorization_header=config.digest.accept_authorization,
        require_qop=config.digest.require_qop,
        userhash=config.digest.userhash,
        refuse_after=config.digest.refuse_after,
        options_status=settings.options_status,
        late_offers=settings.late_offer == "accept" and not config.strict,
        reliable_provisionals=settings.reliable_provisionals == "honour",
        anonymous_calls=settings.anonymous_calls,
        own_from_host=settings.from_host == "trunk",
        regionless_status=settings.regionless_status,
        lenient_numbers=settings.called_number == "lenient",
        challenge=config.digest.challenge,
        realm=config.digest.realm,
        algorithms=tuple(dict.fromkeys(config.digest.algorithms)),
        nonce_lifetime=config.digest.nonce_lifetime,
        caller_id=settings.caller_id,
        destinations=settings.destinations,
        magic_numbers=settings.magic_numbers,
        emergency_status=settings.emergency_status,
        emergency_numbers=EMERGENCY if settings.emergency_numbers is None else frozenset(settings.emergency_numbers),
        max_calls=config.limits.calls,
        max_transactions=config.limits.transactions,
        limits=_limits(config),
        registrar=_registrar(config),
        behaviour=Behaviour(
            ringing=settings.ringing,
            answer_after=settings.answer_after,
            silence_timeout=config.media.silence_timeout,
            longest=settings.longest_call,
            session_timer=SessionTimerPolicy(timer.minimum, timer.refresher, timer.ask, timer.interval),
            methods=_methods(config),
            reinvites=settings.reinvites == "accept",
            t38_status=settings.t38_status,
            media=_plan(config),
        ),
        media=_spoken(config),
        inbound=inbound_policy(config),
    )


def _spoken(config: Config) -> MediaPolicy:
    media = config.media
    by_name = {codec.name: codec for codec in CODECS}
    mode = None if media.ilbc_mode == "offered" else int(media.ilbc_mode)
    return MediaPolicy(tuple(by_name[name] for name in dict.fromkeys(media.codecs)), media.crypto_on_avp, media.crypto_lifetime, mode)


def _plan(config: Config) -> Plan:
    media = config.media
    return Plan(
        media.play, media.echo_digits, _impairments("media.impair_sent", media.impair_sent),
        _impairments("media.impair_heard", media.impair_heard), media.digits, media.digits_after, _quirk(media.digits_quirk), media.srtp,
        media.other_port,
    )  # fmt: skip


def _impairments(name: str, texts: Sequence[str]) -> Specs:
    if not texts:
        return ()
    from emulator.media.chain import check, described  # only who impairs media has need of it

    try:
        return tuple(check(described(texts)))
    except ValueError as error:
        raise Unusable(name, str(error)) from None


def _quirk(name: str | None) -> Any:
    if name is None:
        return None
    from emulator.media.dtmf_sender import Quirk

    return Quirk[name.upper().replace("-", "_")]


def studio(config: Config, clock: Clock, scratch: Callable[[], Path], descriptors: int) -> Studio:
    """Prompts and recordings; files are read now, for reading one takes too long while calls are up. `descriptors` as `Studio` takes it."""
    media = config.media
    prompts: dict[str, Any] = {}
    named = {f"media.prompts.{name}": (name, path) for name, path in media.prompts.items()}
    if media.plays_file:
        named["media.play"] = (media.play, media.play)
    if named:
        from emulator.media.wav import WavError, read

        for setting, (name, path) in named.items():
            try:
                prompts[name] = read(path)
            except WavError as error:
                raise Unusable(setting, str(error)) from None
    folder = Path(media.record) if media.record is not None else None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(13, "may not be written")
        except OSError as error:
            raise Unusable("media.record", f"{folder}: {in_words(error)}; name a folder that can be written") from None
    return Studio(clock, prompts, folder, media.record_seconds, media.tones, scratch, media.record_octets, descriptors)


def _methods(config: Config) -> Methods:
    policy = config.policy
    refused: dict[str, int] = {"UPDATE": policy.update_status, "REFER": policy.refer_status}
    if policy.info_status != 200:
        refused["INFO"] = policy.info_status
    if policy.reliable_provisionals == "refuse":
        refused["PRACK"] = NOT_ALLOWED
    return Methods(refused)


def _limits(config: Config) -> LimitPolicy:
    limits = config.limits
    default = LEGACY_LIMIT if limits.preset == "legacy" else None
    return LimitPolicy(limits.calls_per_second or default, limits.calls_at_once or default, limits.excess_status, config.strict)


def _registrar(config: Config) -> RegistrarPolicy | None:
    settings = config.registrar
    if not settings.accept:
        return None
    return RegistrarPolicy(
        settings.default_expires, settings.minimum_expires, settings.maximum_expires, settings.contacts, challenge=settings.challenge
    )


def customer_ca(config: Config) -> Path | None:
    """The file to verify customers by. Raises `Unusable` when it holds no certificates."""
    name = config.tls.customer_ca
    if name is None:
        return None
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
    except OSError as problem:
        raise Unusable("tls.customer_ca", f"{name}: {in_words(problem)}; name a file of CA certificates (PEM)") from None
    return Path(name)
