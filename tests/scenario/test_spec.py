"""The language of faults: every example reads, one line and a mapping are the same, mistakes say what to write."""

import json

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.annotations import about, fields, struct_of
from emulator.media.chain import IMPAIRMENTS, _parameters
from emulator.media.impair import Pattern, Range
from emulator.scenario import kinds
from emulator.scenario.kind import Kind
from emulator.scenario.kinds import KINDS
from emulator.scenario.media_kinds import NOT_IMPAIRMENTS, Media
from emulator.scenario.schema import schema
from emulator.scenario.spec import CONDITIONS, TIMING, FaultSpec, Where, fault
from emulator.yaml import Unusable

EXAMPLES = [example for kind in KINDS.values() for example in kind.EXAMPLES]


@pytest.mark.parametrize("line", EXAMPLES)
def test_each_example_reads_prints_and_reads_again(line: str) -> None:
    spec = fault(line)
    assert fault(str(spec)) == spec
    assert fault(msgspec.to_builtins(spec)) == spec
    assert fault(json.loads(msgspec.json.encode(spec))) == spec
    assert spec.kind == line.split()[0]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_examples_and_says_what_it_is(kind: str) -> None:
    model = KINDS[kind]
    assert model.EXAMPLES and (model.__doc__ or "").strip()
    assert all(example.split()[0] == kind for example in model.EXAMPLES)
    assert not model.SHORT or model.SHORT in fields(model)
    assert set(model.CONDITIONS) <= set(CONDITIONS)
    assert set(model.TIMING) <= set(TIMING)
    for name, field in fields(model).items():
        said = about(field)
        assert struct_of(field.type) or (said is not None and said.description), name
    assert struct_of(fields(FaultSpec)[kind].type) is model


def test_no_name_means_two_things() -> None:
    for model in KINDS.values():
        assert not set(fields(model)) & {*TIMING, "where"}
    assert not set(CONDITIONS) & set(TIMING)
    assert not set(KINDS) & {*TIMING, "where"}
    assert set(fields(FaultSpec)) == {*KINDS, *TIMING, "where"}


def test_a_mapping_as_scenario_files_have_it() -> None:
    spec = fault(
        {"refuse": {"status": 503, "headers": {"Retry-After": 5}}, "where": {"site": "us-3", "method": "INVITE"}, "times": 2, "for": "30s"}
    )
    assert spec.refuse == kinds.Refuse(status=503, headers={"Retry-After": "5"})
    assert spec.where == Where(site=("us-3",), method=("INVITE",))
    assert (spec.times, spec.for_, spec.from_) == (2, 30.0, 0.0)
    assert spec == fault("refuse 503 headers.Retry-After=5 where site=us-3 method=INVITE times=2 for=30s")
    assert spec.where.proxies() == ("us-3-1", "us-3-2")


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"refuse": 503}, {"refuse": {"status": "503"}}),
        ({"drop": None}, {"drop": {}}),
        ({"drop": True, "where": {"status": 200}}, {"drop": {}, "where": {"status": ["200"]}}),
        ({"answer": "never"}, {"answer": {"never": True}}),
        ({"answer": "20s"}, {"answer": {"delay": 20}}),
        ({"media": "one-way"}, {"media": {"one-way": {}}}),
        ({"media": "none"}, {"media": {"play": "nothing"}}),
        ({"media": {"loss": "5%"}}, {"media": {"loss": {"probability": 0.05}}}),
        ({"down": 503}, {"down": {"how": "503"}}),
        ({"tls": "Expired"}, {"tls": {"fault": "expired"}}),
        ({"drop": True, "where": {"transport": "udp"}}, {"drop": {}, "where": {"transport": ["UDP"]}}),
        ({"drop": True, "where": {"number": 447700900200}}, {"drop": {}, "where": {"number": ["447700900200"]}}),
        ({"drop": True, "where": {"method": "INVITE,BYE"}}, {"drop": {}, "where": {"method": ["INVITE", "BYE"]}}),
        ({"drop": True, "nth": "1, 3"}, {"drop": {}, "nth": [1, 3]}),
        ({"drop": True, "probability": "20%"}, {"drop": True, "probability": 0.2}),
        ({"drop": True, "probability": 0.00001}, {"drop": {}, "probability": "0.001%"}),
        ({"withhold": "bye"}, {"withhold": {"method": "BYE"}}),
        ({"drop": True, "where": {"site": "sip-us-3.vonage.com"}}, {"drop": True, "where": {"site": "us-3"}}),
        ({"drop": True, "where": {"proxy": "SIP-us-3-1.nexmo.com,us-3-2"}}, {"drop": True, "where": {"proxy": ["us-3-1", "us-3-2"]}}),
        ({"redirect": "sip-us-4-1.vonage.com"}, {"redirect": {"to": "us-4-1"}}),
    ],
)  # fmt: skip
def test_short_forms(short: dict[str, object], long: dict[str, object]) -> None:
    assert fault(short) == fault(long)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("refsue 503", "'refsue' is no fault; did you mean 'refuse'?"),
        ("", "an empty line; write one of refuse, "),
        ("refuse 'x", "no closing quotation; close the quotes"),
        ("refuse", "refuse: status is missing; write a code from 300 to 699 such as 503"),
        ("delay", "delay: by is missing; write a time such as 500ms, 10s, 2m from 0 to 600 s"),
        ("tls where proxy=us-3-1", "tls: fault is missing; write expired or wrong-name or "),
        ("codec PCMU name=G722", "name stands there twice; write it once"),
        ("refuse abc", "status 'abc': write a code from 300 to 699 such as 503"),
        ("refuse 200", "status '200': write a code from 300 to 699 such as 503"),
        ("refuse 503 later", "refuse: 'later' is one word too many; write name=value"),
        ("refuse 503 site=us-3", "refuse.site: unknown; write it behind `where`"),
        ("refuse 503 reasn=x", "refuse.reasn: unknown; did you mean 'reason'?"),
        ("refuse 503 where sit=us-3", "where.sit: unknown; did you mean 'site'?"),
        ("refuse 503 where site=us-9", "no site 'us-9'; did you mean"),
        ("refuse 503 where site=sip-us-9.vonage.com", "no site 'us-9'; did you mean"),
        ("refuse 503 where region=sip.nexmo.com", "no region 'all'; write one of us, eu, ap"),
        ("refuse 503 where proxy=us-3-1 region=eu", "no proxy is in all of these places"),
        ("refuse 503 where method=INVITE method=BYE", "method stands there twice; write it once"),
        ("refuse 503 where number=abc", "number 'abc': write digits such as 447700900200"),
        ("refuse 503 where status=200", "status means nothing for refuse; it can be told by proxy, "),
        ("drop where status=99", "status '99': write a code such as 200, or 18x, 4xx"),
        ("drop where direction=sideways", "direction 'sideways' is none of in, out"),
        ("drop where header.From=(", "'(' is no regular expression"),
        ("drop where status=200 in-dialog=yes", "in-dialog says nothing of a response"),
        ("drop where in-dialog=perhaps", "in-dialog 'perhaps' is neither true nor false"),
        ("drop times=0", "times '0': write a whole number from 1 to 1000000"),
        ("drop for=soon", "for 'soon' is no time; write seconds, or text such as 500ms, 10s, 2m"),
        ("drop for=0", "for '0': write a time such as 500ms, 10s, 2m from 0.001 to 86400 s"),
        ("drop probability=200%", "probability '200%' is no share; write a fraction from 0 to 1, or text such as 5%"),
        ("drop flapping=5s", "flapping is not a mapping; write `down: …`, `up: …`"),
        ("down drop times=3", "times means nothing for down; it takes from, for, flapping"),
        ("dns nxdomain where method=INVITE", "method means nothing for dns; it can be told by name, type"),
        ("delay 3x", "by '3x' is no time; write seconds, or text such as 500ms, 10s, 2m"),
        ("media", "nothing is done to media; write one of "),
        ("media loss=200%", "probability '200%' is no share"),
        ("answer", "answer is as ever; write a time, never, ringing or status"),
        ("answer never delay=3s", "answer is never, and yet with a delay or a status; write one of them"),
        ("rewrite", "nothing is rewritten; write set.NAME=TEXT"),
        ("rewrite set.Bad\\ Name=1", "'Bad Name': '1' is no header"),
        ("redirect us-3-9", "to 'us-3-9' is nowhere; write self, a proxy such as us-3-1, or a URI"),
        ("redirect self status=404", "status '404': write 300, 301, 302, 305 or 380"),
        ("wrong cseq value=x", "value 'x' is no number"),
        ("tls expire", "fault 'expire' is none of "),
        ("reset 100 where method=INVITE", "method is unknown when octets are counted"),
        ({"refuse": 503, "drop": True}, "drop: refuse and drop in one fault; write a fault for each"),
        ({"where": {"site": "us-3"}}, "nothing goes wrong here; write one of "),
        ({"refuse": {"status": 503, "header": {}}}, "refuse.header: unknown key 'header'; did you mean 'headers'?"),
        ({"refuse": 503, "time": 3}, "time: unknown key 'time'; did you mean 'times'?"),
        ({"rfuse": 503}, "rfuse: unknown fault 'rfuse'; did you mean 'refuse'?"),
        ({"drop": "x"}, "drop has nothing to be said about it; write true"),
        ({"drop": True, "where": ["us-3"]}, "where is not a mapping; write `key: value` lines"),
        ({"drop": True, "nth": [1, "x"]}, "nth.1: nth 'x': write a number such as 3"),
        ({"drop": True, "nth": []}, "nth has no values; write at least 1"),
        ({"drop": True, "nth": [1] * 101}, "nth has 101 values; write at most 100"),
        ({"drop": True, "where": {"site": "us-9"}}, "where.site: no site 'us-9'; did you mean"),
        (5, "'5' is no fault; known here: answer, "),
        (["drop"], "no fault; write a mapping such as {refuse: 503, where: {site: us-3}}, or the same on one line"),
        (None, "no fault; write a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_to_write(wrong: object, said: str) -> None:
    with pytest.raises(Unusable) as caught:
        fault(wrong)
    assert str(caught.value).startswith(said)


def test_all_mistakes_come_at_once_each_with_its_path() -> None:
    with pytest.raises(Unusable) as caught:
        fault({"refuse": 999, "where": {"sit": "us-3", "method": "IN VITE"}, "times": -1})
    assert str(caught.value).splitlines() == [
        "refuse: status '999': write a code from 300 to 699 such as 503",
        "where.sit: unknown key 'sit'; did you mean 'site'?",
        "where.method 'IN VITE': write a method such as INVITE",
        "times '-1': write a whole number from 1 to 1000000",
    ]


def test_hostile_values_are_refused_and_not_grown() -> None:
    for value in ("x" * 10000, float("nan"), float("inf"), 10**40, 10**5000, {"a": {}}, [[[]]], True, None, "\x00", "٣"):
        for make in ("times", "probability", "for"):
            if make == "for" and value is None:
                continue
            try:
                fault({"drop": True, make: value})
            except Unusable as error:
                assert len(str(error)) < 500
    with pytest.raises(Unusable):
        fault({"drop": True, "where": {"proxy": ["us-3-1"] * 1000}})


@given(st.text(max_size=60))
def test_no_line_does_harm(text: str) -> None:
    for line in (text, f"refuse 503 {text}", f"drop where {text}", f"media {text}"):
        try:
            spec = fault(line)
        except Unusable:
            continue
        assert fault(str(spec)) == spec


_NAMES = st.sampled_from(["us-3-1", "us-4-2", "eu-3-1"])


_HEADERS = st.dictionaries(st.sampled_from(["Retry-After", "X-A"]), st.text("ab '\"=.,", max_size=9))
_METHODS = st.lists(st.sampled_from(["INVITE", "BYE"]), unique=True).map(tuple)
_REGEXES = st.dictionaries(st.sampled_from(["From", "To"]), st.sampled_from(["^a b", "x,y", "'\"", "é"]))
_WHERE = st.builds(
    Where, proxy=st.lists(_NAMES, unique=True).map(tuple), method=_METHODS, in_dialog=st.none() | st.booleans(), header=_REGEXES
)
_TIMES = st.floats(0.001, 80000).map(lambda value: round(value, 3))
_NTH = st.lists(st.integers(1, 99)).map(tuple)


@given(
    st.builds(kinds.Refuse, status=st.integers(300, 699), headers=_HEADERS), _WHERE, st.none() | st.integers(1, 99), _NTH,
    st.sampled_from([1.0, 0.5, 0.015]), st.none() | _TIMES,
)  # fmt: skip
def test_whatever_can_be_said_can_be_said_on_one_line(
    refuse: kinds.Refuse, where: Where, times: int | None, nth: tuple[int, ...], probability: float, seconds: float | None
) -> None:
    spec = FaultSpec(refuse=refuse, where=where, times=times, nth=nth, probability=probability, for_=seconds)
    assert fault(str(spec)) == spec


# -- media says what the impairments of emulator.media can do ------------------------------------------------------


def test_each_impairment_can_be_said_with_each_of_its_parameters() -> None:
    said = {name: struct_of(field.type) for name, field in fields(Media).items() if name not in NOT_IMPAIRMENTS}
    assert set(said) == set(IMPAIRMENTS)
    for name, model in said.items():
        assert model is not None
        parameters = _parameters(IMPAIRMENTS[name])
        assert set(fields(model)) == set(parameters), name
        for key, parameter in parameters.items():
            limits = getattr(parameter.annotation, "__metadata__", [None])[0]
            own = about(fields(model)[key])
            assert own is not None
            if isinstance(limits, Range):
                assert own.ge is not None and own.ge >= limits.low and own.le is not None and own.le <= limits.high, (name, key)
            elif isinstance(limits, Pattern):
                assert own.pattern == f"^{limits.regex}$", (name, key)


# -- the schema ----------------------------------------------------------------------------------------------------


def document() -> dict[str, object]:
    top, components = schema(FaultSpec)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": components}


def test_the_schema_is_one_and_takes_what_we_take() -> None:
    made = document()
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(made)
    for line in EXAMPLES:
        validator.validate(json.loads(msgspec.json.encode(fault(line))))
    for value in (
        {"refuse": 503, "for": "30s"}, {"drop": True}, {"drop": None}, {"media": {"loss": "5%"}}, {"answer": "never"},
        {"drop": True, "where": {"method": "INVITE", "number": 447700900200, "transport": "UDP"}, "nth": 3, "probability": "20%"},
    ):  # fmt: skip
        fault(value)
        validator.validate(value)
    for value in (
        {"refuse": {"status": 200}},
        {"drop": True, "tims": 3},
        {"drop": True, "where": {"sit": "us-3"}},
        {"drop": True, "for": "soon"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(value)


def test_the_base_of_kinds_is_not_one() -> None:
    assert Kind not in KINDS.values()


def test_a_refresh_that_is_lost_is_never_sent() -> None:
    with pytest.raises(Unusable, match="spacing"):
        fault("refresh lost spacing=2s")
