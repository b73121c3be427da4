"""Which octets answer a question, and what they say; and the hosts file."""

import random
from itertools import islice

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.dns import hosts
from emulator.dns.answer import MAX_ALIASES, MAX_OCTETS, Kind, Said, answers, is_query, question, read, truncated
from tests.fuzz.mutate import mutations
from tests.support.names import reply

ID = b"\x12\x34"


def ask(name: str = "pbx.example", kind: Kind = "A") -> bytes:
    return ID + question(name, kind)[2:]


def test_a_question_is_small_and_plain() -> None:
    message = dns.message.from_wire(ask("_sip._udp.PBX.example.", "SRV"))
    assert message.question[0].to_text() == "_sip._udp.PBX.example. IN SRV" and message.edns == -1 and is_query(ask())


@pytest.mark.parametrize("name", ["a..b", "a" * 64, ".".join(["a" * 60] * 5), "\ud800"])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="no domain name"):
        question(name, "A")


def test_an_answer_has_the_id_and_the_question() -> None:
    """RFC 5452 9.1."""
    query = ask()
    good = reply(query, "pbx.example A 192.0.2.1")
    assert answers(query, good)
    assert answers(query, good.replace(b"\3pbx", b"\3PbX", 1)), "case is no difference"
    wrong = [
        b"\x12\x35" + good[2:], good[:2] + bytes([good[2] & 0x7F]) + good[3:], good[:2] + bytes([good[2] | 0x08]) + good[3:],
        reply(ask("pbx.exampla"), "pbx.exampla A 192.0.2.1"), reply(ask(kind="AAAA"), "pbx.example AAAA ::1"), query, b"", good[:11],
        good[:20], good[:4] + b"\0\2" + good[6:], good[:4] + b"\0\0" + good[6:],
    ]  # fmt: skip
    assert not any(answers(query, data) for data in wrong)


def test_types_that_differ_by_a_bit_of_case_are_two() -> None:
    """HTTPS is 65, an A in ASCII; 97 is an a."""
    query = ask()[:-4] + b"\0\x41\0\1"
    assert not answers(query, query[:2] + b"\x81\x80" + query[4:-4] + b"\0\x61\0\1")


@pytest.mark.parametrize(("rcode", "taken"), [(0, False), (1, True), (2, True), (3, False), (4, True), (5, True), (6, False)])
def test_only_failures_may_come_without_the_question(rcode: int, taken: bool) -> None:
    assert answers(ask(), ID + bytes([0x81, 0x80 | rcode]) + b"\0" * 8) is taken


@pytest.mark.parametrize(
    ("kind", "records", "said"),
    [
        ("A", ["pbx.example A 192.0.2.1", "pbx.example A 192.0.2.2"], ("192.0.2.1", "192.0.2.2")),
        ("AAAA", ["pbx.example AAAA 2001:db8::1"], ("2001:db8::1",)),
        ("SRV", ["pbx.example SRV 10 20 5060 A.example.", "pbx.example SRV 1 2 3 ."], ((10, 20, 5060, "A.example"), (1, 2, 3, "."))),
        ("A", ["PBX.example A 192.0.2.1"], ("192.0.2.1",)),
        ("A", [], ()),
        ("A", ["pbx.example AAAA ::1"], ()),
        ("A", ["evil.example A 192.0.2.66"], ()),
        ("A", ["pbx.example CNAME a.example.", "a.example CNAME b.example.", "b.example A 192.0.2.1", "c.example A 192.0.2.66"],
         ("192.0.2.1",)),
    ],
)  # fmt: skip
def test_only_the_name_and_what_its_aliases_lead_to_is_believed(kind: Kind, records: list[str], said: tuple[object, ...]) -> None:
    query = ask(kind=kind)
    data = reply(query, *records, additional=("a.example A 192.0.2.66",), authority=("pbx.example NS evil.example.",))
    result = read(data, "pbx.example", kind)
    assert isinstance(result, Said) and result.records == said and not result.alias


def test_an_alias_without_records_is_asked_for_next() -> None:
    data = reply(ask(), "pbx.example CNAME a.example.", "a.example CNAME B.example.")
    assert read(data, "pbx.example", "A") == Said((), "B.example", 2)
    data = reply(ask(), "pbx.example CNAME a.example.", rcode=3)
    assert read(data, "pbx.example", "A") == "NXDOMAIN"


def test_chains_and_loops_of_aliases_are_bounded() -> None:
    def chain(count: int) -> bytes:
        links = [f"a{k}.example CNAME a{k + 1}.example." for k in range(count)]
        return reply(ask("a0.example"), *links, f"a{count}.example A 192.0.2.1")

    assert read(chain(MAX_ALIASES), "a0.example", "A") == Said(("192.0.2.1",), "", MAX_ALIASES)
    too_many = f"more than {MAX_ALIASES} CNAMEs, one after the other"
    assert read(chain(MAX_ALIASES + 1), "a0.example", "A") == too_many
    loop = reply(ask(), "pbx.example CNAME a.example.", "a.example CNAME pbx.example.")
    assert read(loop, "pbx.example", "A") == too_many
    assert read(reply(ask(), "pbx.example CNAME pbx.example."), "pbx.example", "A") == too_many


@pytest.mark.parametrize(
    ("rcode", "word"), [(1, "FORMERR"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (4, "NOTIMP"), (5, "REFUSED"), (9, "NOTAUTH"), (12, "rcode 12")]
)
def test_failures_have_their_word(rcode: int, word: str) -> None:
    assert read(reply(ask(), rcode=rcode), "pbx.example", "A") == word


def test_what_can_not_be_read_says_so() -> None:
    good = reply(ask(), "pbx.example A 192.0.2.1")
    assert read(good[:2] + bytes([good[2] | 2]) + good[3:], "pbx.example", "A") == "an answer that was cut short"
    assert truncated(good[:2] + bytes([good[2] | 2]) + good[3:]) and not truncated(good)
    assert str(read(good[:-2], "pbx.example", "A")).startswith("an answer that can not be read (")
    assert str(read(good[:12] + b"\xc0\x0c\0\1\0\1", "pbx.example", "A")).startswith("an answer that can not be read (")
    assert (
        read(good + b"\0" * MAX_OCTETS, "pbx.example", "A")
        == f"an answer of {len(good) + MAX_OCTETS} octets; at most {MAX_OCTETS} are read"
    )
    assert read(good + b"more", "pbx.example", "A") == Said(("192.0.2.1",))


@given(st.binary(max_size=200), st.sampled_from(["A", "AAAA", "SRV"]))
def test_no_octets_raise(data: bytes, kind: Kind) -> None:
    query = ask(kind=kind)
    answers(query, data)
    for octets in (ID + b"\x81\x80" + data, query[:2] + b"\x81\x80\0\1\0\2\0\0\0\0" + query[12:] + data):
        if answers(query, octets):
            assert isinstance(read(octets, "pbx.example", kind), Said | str)
        is_query(octets)
        is_query(data)


GOOD: tuple[tuple[Kind, bytes], ...] = (
    ("A", reply(ask(), "pbx.example CNAME a.example.", "a.example A 192.0.2.1", "a.example TXT x", additional=("a.example AAAA ::1",))),
    ("AAAA", reply(ask(kind="AAAA"), "pbx.example AAAA 2001:db8::1")),
    ("SRV", reply(ask(kind="SRV"), "pbx.example SRV 1 2 3 a.example.", additional=("a.example A 192.0.2.1",))),
)


def test_mutated_answers_are_read_or_refused() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    taken = 0
    for number, data in enumerate(islice(mutations(seed, tuple(data for _, data in GOOD)), 6000)):
        for kind, good in GOOD:
            query = ask(kind=kind)
            octets = good[:12] + data[12:] if number % 2 else data
            if answers(query, octets):
                taken += 1
                said = read(octets, "pbx.example", kind)
                assert isinstance(said, Said | str), f"seed {seed}, message {number}"
    assert taken > 1000


def test_a_hosts_file() -> None:
    text = (
        "# comment\n127.0.0.1\tlocalhost\tLOCALhost.example. # and this\n::1 localhost ip6\r\n127.0.0.1 localhost\n"
        "nonsense a\n192.0.2.1\n\n  192.0.2.2   pbx.example  \n"
    )
    assert hosts.parse(text) == {
        "localhost": ("127.0.0.1", "::1"), "localhost.example": ("127.0.0.1",), "ip6": ("::1",), "pbx.example": ("192.0.2.2",),
    }  # fmt: skip


@given(st.text(max_size=200))
def test_no_hosts_file_raises(text: str) -> None:
    assert all(len(addresses) > 0 for addresses in hosts.parse(text).values())
