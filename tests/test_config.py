"""The config: three sources, one model, and mistakes with their place."""

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import yaml
from emulator.config import Config, Unusable
from emulator.config_sources import load
from emulator.settings import schema


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "vsim.yaml"
    path.write_text(text)
    return str(path)


def test_nothing_said_is_the_default_account_and_number() -> None:
    config = load(None, {}, {})
    assert (config.accounts[0].key, config.accounts[0].secret, config.accounts[0].numbers) == (
        "abcd1234",
        "OfflineSecret1",
        ("447700900000",),
    )
    assert set(config.numbers) == {"447700900000"} and config.numbers["447700900000"].forward is None
    assert (config.dns.port, config.control.port, config.media.first, config.media.last) == (8053, 8060, 10000, 20000)


def test_the_example_of_the_contract(tmp_path: Path) -> None:
    config = load(
        write(
            tmp_path,
            "layout: loopback\nstrict: false  # comment\naccounts:\n"
            '  - {key: abcd1234, secret: OfflineSecret1, numbers: ["447700900000"]}\nnumbers:\n  "447700900000":\n'
            '    forward: "sip:1234@127.0.0.1:5080;timeout=2000, sip:1234@pbx.example.net;transport=tls;media=srtp"\n'
            "dns:\n  hosts: {pbx.example.net: 127.0.0.1}\nmedia: {ports: 10000-20000}\n",
        )
    )
    assert config.dns.hosts == {"pbx.example.net": "127.0.0.1"}


def test_numbers_need_no_quotes_and_secrets_may_look_like_numbers(tmp_path: Path) -> None:
    config = load(write(tmp_path, "accounts: [{key: 12345678, secret: 00123, numbers: [447700900000]}]\nnumbers: {447700900000: {}}\n"))
    account = config.accounts[0]
    assert (account.key, account.secret, account.numbers) == ("12345678", "00123", ("447700900000",))


def test_later_sources_win(tmp_path: Path) -> None:
    path = write(tmp_path, "dns: {port: 1001}\nmedia: {silence_timeout: 5m}\ncontrol: {port: 1002}\n")
    config = load(path, {"VSIM_DNS_PORT": "2001", "VSIM_CONTROL_PORT": "2002", "VSIM_STRICT": "yes"}, {"control.port": "3002", "seed": "7"})
    assert (config.dns.port, config.control.port, config.media.silence_timeout, config.strict, config.seed) == (2001, 3002, 300.0, True, 7)


def test_accounts_by_flag_and_variable() -> None:
    assert [a.key for a in load(None, {"VSIM_ACCOUNT": "a:b,c:d:14155550100"}, {}).accounts] == ["a", "c"]
    account = load(None, {"VSIM_ACCOUNT": "a:b"}, {"accounts": ("x:y",)}).accounts[0]
    assert (account.key, account.secret, account.numbers) == ("x", "y", ("447700900000",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("layuot: ports", ":1:1: unknown key 'layuot'; did you mean 'layout'?"),
        ("layout: port", ":1:9: layout 'port' is none of loopback, ports; did you mean 'ports'?"),
        ("dns:\n  port: 99999", ":2:9: port '99999': "),
        ("dns:\n  port: 5.5", ":2:9: port '5.5': "),
        ("dns: 5", ":1:6: dns is not a mapping; write `key: value` lines"),
        ("dns: {hosts: {a: b}}", ":1:18: dns.hosts 'b' is no IP address"),
        ("strict: maybe", ":1:9: strict 'maybe' is neither true nor false"),
        ("accounts:\n- {key: a}", ":2:3: secret is missing"),
        ("accounts:\n- {key: a, secret: b, numbers: [12]}", ":2:33: numbers '12': write digits only, country code first, 7 to 15 of them"),
        ("accounts:\n- {key: a, secret: b}\n- {key: a, secret: c}", ":3:9: account 'a' stands there twice"),
        ('accounts:\n- {key: "a b", secret: b}', "account key 'a b'"),
        ("media: {ports: 5-4}", ":1:16: media.ports '5-4'; write FIRST-LAST between 1024 and 65535"),
        ("media: {silence_timeout: soon}", ":1:26: silence_timeout 'soon' is no time"),
        ("digest: {challenge: 404}", ":1:21: challenge '404' is none of 407, 401"),
        ("strict: true\nstrict: false", ":2:1: strict stands here a second time"),
        ("a: &x 1\nb: *x", ":1:4: an anchor"),
        ("a: [", ":1:5: "),
        ("{", ":1:2: "),
        ("- a", ":1:1: the file is not a mapping"),
        ("? [a]\n: b", "a key that is not plain text"),
        ("bind: 0.0.0.0\nlayout: ports", "without advertise"),
        ("bind: '::'\nlayout: ports\nadvertise: 192.0.2.1", ":3:12: advertise 192.0.2.1 with bind ::; write addresses of one family"),
        ("layout: ports\nadvertise: 2001:db8::1", "advertise 2001:db8::1 with bind 127.0.0.1; write addresses of one family"),
        ("dns: {upstream: somewhere}", "write ADDRESS:PORT"),
        ("dns: {hosts: {a..b: 127.0.0.1}}", "dns.hosts 'a..b' is no host name; write one such as pbx.example.net"),
        ("dns: {services: {_sip._udp.a: [1 2 3]}}", "dns.services._sip._udp.a '1 2 3'; write PRIORITY WEIGHT PORT TARGET, such as"),
        ("dns: {services: {a: [1 2 3 b]}}", ":1:22: dns.services.a '1 2 3 b'; name it as _sip._udp.pbx.example.net"),
        ("dns: {timeout: 0}", ":1:16: timeout '0': write a time such as 500ms, 10s, 2m of at least 0.1 s"),
        ("a: 1\n---\nb: 2", "document"),
    ],
)
def test_mistakes_name_their_place_and_their_mending(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(Unusable) as caught:
        load(write(tmp_path, text))
    assert problem in str(caught.value)


def test_what_no_single_field_can_know_has_a_place_too(tmp_path: Path) -> None:
    """Where it came from: the file, a variable or a flag."""
    path = write(tmp_path, "bind: here\naccounts:\n- {key: a b, secret: c}\nmedia:\n  ports: 9-5")

    def said(environ: dict[str, str], flags: dict[str, object]) -> list[str]:
        with pytest.raises(Unusable) as caught:
            load(path, environ, flags)
        return [line.removeprefix(path).split(" ", 1)[0] for line in str(caught.value).splitlines()]

    assert said({}, {}) == [":1:7:", ":3:9:", ":5:10:"]
    assert said({"VSIM_MEDIA_PORTS": "8-4"}, {"bind": "there", "accounts": ("a\\:b",)}) == ["VSIM_MEDIA_PORTS:", "--account:", "--bind:"]


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unusable) as caught:
        load(write(tmp_path, "layuot: x\nstrict: maybe\nmedia: {ports: x}\n"))
    assert len(str(caught.value).splitlines()) == 3


def test_mistakes_in_structure_and_in_values_come_together_by_line(tmp_path: Path) -> None:
    text = """\
bind: 0.0.0.0
layout: ports
advertise: [a, b]
dns: {hosts: {a..b: 127.0.0.1, c: d, e: {}}}
accounts:
- {key: a, secrt: b}
- {key: b c, secret: d}
registrar: {default_expires: 1, minimum_expires: x}
media: {ports: 9-5, tick: soon}
numbers: {"447700900000": {forward: tel:1}, 12: {}}
"""
    with pytest.raises(Unusable) as caught:
        load(write(tmp_path, text))
    lines = [line.removeprefix(f"{tmp_path}/vsim.yaml:").partition(": ")[::2] for line in str(caught.value).splitlines()]
    assert lines == [
        ("3:12", "advertise is a list; write one value"),
        ("4:21", "dns.hosts 'a..b' is no host name; write one such as pbx.example.net"),
        ("4:35", "dns.hosts 'd' is no IP address; write one such as 127.0.0.1"),
        ("4:41", "e is a mapping; write one value"),
        ("6:3", "secret is missing; write `secret: …`"),
        ("6:12", "unknown key 'secrt'; did you mean 'secret'?"),
        ("7:9", "account key 'b c'; a digest username here has no quotes, colons, backslashes or blanks"),
        ("8:50", "minimum_expires 'x': write a whole number from 1 to 3600"),
        ("9:16", "media.ports '9-5'; write FIRST-LAST between 1024 and 65535"),
        ("9:27", "tick 'soon' is no time; write seconds, or text such as 500ms, 10s, 2m"),
        ("10:37", "numbers.447700900000.forward, column 1: tel: is no scheme of this field; write sip:USER@HOST"),
        ("10:45", "numbers '12': write digits only, country code first, 7 to 15 of them"),
    ]


@pytest.mark.parametrize(
    ("environ", "flags", "problem"),
    [
        ({"VSIM_DNS_PRT": "1"}, {}, "VSIM_DNS_PRT: no such setting; did you mean VSIM_DNS_PORT?"),
        ({"VSIM_DNS_PORT": "x"}, {}, "VSIM_DNS_PORT: port 'x'"),
        ({}, {"accounts": ("abc",)}, "--account: an account without a secret"),
        ({}, {"seed": "-1"}, "--seed: seed '-1'"),
    ],
)
def test_mistakes_in_variables_and_flags(environ: dict[str, str], flags: dict[str, object], problem: str) -> None:
    with pytest.raises(Unusable) as caught:
        load(None, environ, flags)
    assert problem in str(caught.value)


def test_what_vsim_env_prints_is_no_mistake() -> None:
    load(None, {"VSIM_URL": "x", "VSIM_DNS": "x", "VSIM_CA": "x", "VSIM_SIP_US_3_1": "x"}, {})


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    for path, octets in (
        (tmp_path / "none.yaml", None),
        (tmp_path / "binary.yaml", b"\xff\xfe\0"),
        (tmp_path / "big.yaml", b"#" * (2 << 20)),
    ):
        if octets is not None:
            path.write_bytes(octets)
        with pytest.raises(Unusable, match=path.name):
            load(str(path))


@given(st.text(max_size=80))
def test_no_file_raises_anything_but_unusable(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("c") / "c.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        assert isinstance(load(str(path)), Config)
    except Unusable:
        pass


def test_the_region_of_a_number_may_be_named_by_its_host(tmp_path: Path) -> None:
    text = "numbers: {'447700900000': {region: sip-us.vonage.com}}"
    assert load(write(tmp_path, text)).numbers["447700900000"].region == "us"
    validator = jsonschema.Draft202012Validator(schema())
    assert validator.is_valid({"numbers": {"447700900000": {"region": "sip-us.vonage.com"}}})
    assert not validator.is_valid({"numbers": {"447700900000": {"region": "sip-us-3.vonage.com"}}})


def test_mistakes_in_a_forward_list_are_told_by_column(tmp_path: Path) -> None:
    path = tmp_path / "vsim.yaml"
    path.write_text('numbers: {"447700900000": {forward: "sip:1@a.example;timeout=500, tel:+44"}}\n')
    with pytest.raises(Unusable) as told:
        load(str(path))
    assert "numbers.447700900000.forward, column 17: " in str(told.value) and "timeout=2000" in str(told.value)
    assert str(told.value).count("column") == 2


def test_a_number_that_may_be_left_out_is_asked_for_in_plain_words() -> None:
    with pytest.raises(Unusable, match=r"--media-port: port 'abc': write a whole number from 0 to 65534$"):
        load(None, {}, {"media.port": "abc"})


def test_what_kubernetes_sets_for_a_service_of_this_name_is_no_setting() -> None:
    ports = [f"VSIM_PORT_{port}_{transport}" for port in (53, 5060, 5061, 8060, 10000) for transport in ("UDP", "TCP")]
    names = [f"{name}{part}" for name in ports for part in ("", "_PROTO", "_PORT", "_ADDR")]
    names += ["VSIM_PORT", "VSIM_SERVICE_HOST", *(f"VSIM_SERVICE_PORT{part}" for part in ("", "_DNS", "_SIP", "_SIP_TLS", "_CONTROL"))]
    assert load(None, dict.fromkeys(names, "tcp://192.0.2.1:53")) == load(None, {})


def test_of_a_file_that_is_too_long_no_more_is_read_than_shows_that(tmp_path: Path) -> None:
    """A device has no end at all."""
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room, and more memory than there is
    with pytest.raises(Unusable, match="endless: too long; a story has at most 65536 octets"):
        yaml.read(str(path), "story", 65536)
