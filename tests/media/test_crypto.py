"""SDES: the grammar of RFC 4568 9, which line of an offer is taken, and that no key is ever shown."""

from base64 import b64encode
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.journal.findings import CATALOGUE, Kind
from emulator.media.crypto import (
    KEY_OCTETS,
    MAX_LIFETIME,
    MAX_LINES,
    SUITE,
    Crypto,
    CryptoError,
    MasterKey,
    NoCrypto,
    answer,
    choose,
    offer,
    parse,
)

KEY = bytes(range(100, 130))
INLINE = b64encode(KEY).decode()
LINE = f"1 {SUITE} inline:{INLINE}"
OTHER = bytes(range(30))
CODES = ("too-many", "malformed", "mki", "lifetime", "session-parameter", "suite", "no-crypto")


@pytest.fixture(autouse=True, scope="module")
def catalogue() -> Iterator[None]:
    """The findings' rows, as long as the catalogue has none of its own."""
    missing = {code: Kind(code, "error", "", "", "") for code in (f"srtp.{name}" for name in CODES) if code not in CATALOGUE}
    CATALOGUE.update(missing)
    yield
    for code in missing:
        del CATALOGUE[code]


def codes(error: NoCrypto) -> list[str]:
    return [finding.code for finding in error.findings]


# Grammar: what is well-formed.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (LINE, Crypto(1, SUITE, KEY)),
        (LINE.replace("1 ", "0 ", 1), Crypto(0, SUITE, KEY)),
        (LINE.replace("1 ", "999999999 ", 1), Crypto(999_999_999, SUITE, KEY)),
        (f"{LINE}|2^31", Crypto(1, SUITE, KEY, 1 << 31)),
        (f"{LINE}|2^0", Crypto(1, SUITE, KEY, 1)),
        (f"{LINE}|1", Crypto(1, SUITE, KEY, 1)),
        (f"{LINE}|2^48", Crypto(1, SUITE, KEY, MAX_LIFETIME)),
        (f"{LINE}|281474976710656", Crypto(1, SUITE, KEY, MAX_LIFETIME)),
        (f"{LINE}|1000000", Crypto(1, SUITE, KEY, 1_000_000)),
        (f"{LINE}|1:4", Crypto(1, SUITE, KEY, None, (1, 4))),
        (f"{LINE}|2^20|1:4", Crypto(1, SUITE, KEY, 1 << 20, (1, 4))),
        (f"{LINE}|0:1", Crypto(1, SUITE, KEY, None, (0, 1))),
        (f"{LINE}|255:1", Crypto(1, SUITE, KEY, None, (255, 1))),
        (f"{LINE}|{(1 << 1024) - 1}:128", Crypto(1, SUITE, KEY, None, ((1 << 1024) - 1, 128))),
        (f"{LINE} KDR=0", Crypto(1, SUITE, KEY, session=("KDR=0",))),
        (f"{LINE} KDR=24 WSH=64", Crypto(1, SUITE, KEY, session=("KDR=24", "WSH=64"))),
        (
            f"{LINE} UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP",
            Crypto(1, SUITE, KEY, session=("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP")),
        ),
        (f"{LINE} FEC_ORDER=FEC_SRTP FEC_ORDER=SRTP_FEC", Crypto(1, SUITE, KEY, session=("FEC_ORDER=FEC_SRTP", "FEC_ORDER=SRTP_FEC"))),
        (f"{LINE} FEC_KEY=inline:{INLINE}|2^9", Crypto(1, SUITE, KEY, session=(f"FEC_KEY=inline:{INLINE}|2^9",))),
        (f"{LINE} -x=y new a=b", Crypto(1, SUITE, KEY, session=("-x=y", "new", "a=b"))),
        (
            f"{LINE}|1:2;inline:{b64encode(OTHER).decode()}|2^7|2:2",
            Crypto(1, SUITE, KEY, None, (1, 2), more=(MasterKey(OTHER, 128, (2, 2)),)),
        ),
        (LINE.replace(" ", " \t "), Crypto(1, SUITE, KEY)),
        (LINE.replace("inline", "InLine").replace(SUITE, SUITE.lower()), Crypto(1, SUITE, KEY)),  # ABNF literals have no case
        (f"{LINE} unencrypted_srtp kdr=1", Crypto(1, SUITE, KEY, session=("UNENCRYPTED_SRTP", "KDR=1"))),
        ("2 AES_256_CM_HMAC_SHA1_80 inline:" + b64encode(bytes(46)).decode(), Crypto(2, "AES_256_CM_HMAC_SHA1_80", bytes(46))),
        ("2 AES_256_CM_HMAC_SHA1_80 inline:" + b64encode(bytes(46)).decode().rstrip("="), Crypto(2, "AES_256_CM_HMAC_SHA1_80", bytes(46))),
        ("2 x_9 inline:AA==", Crypto(2, "x_9", b"\0")),
    ],
)
def test_well_formed(value: str, expected: Crypto) -> None:
    assert parse(value) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize("tail", ["", "|2^31", "|2^31|1:1", "|1:4", "|1", "|1000000", "|2^20|65535:2 KDR=3 UNENCRYPTED_SRTCP -ext"])
def test_canonical_values_print_back_octet_for_octet(tail: str) -> None:
    assert str(parse(LINE + tail)) == LINE + tail


def test_rfc_examples() -> None:
    """RFC 4568 3 and 6.1."""
    line = "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32"
    assert str(parse(line)) == line and parse(line).mki == (1, 32)
    line = "2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4"
    parsed = parse(line + ";inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP")
    assert parsed.more[0].mki == (2, 4) and parsed.session == ("FEC_ORDER=FEC_SRTP",)


# Grammar: what is not.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", "tag, crypto-suite and key-params are wanted"),
        (f"1 {SUITE}", "tag, crypto-suite and key-params are wanted"),
        (f" {LINE}", "tag: a decimal number is wanted"),
        (f"+{LINE}", "tag: a decimal number is wanted"),
        (f"-{LINE}", "tag: a decimal number is wanted"),
        (f"1_{LINE}", "tag: a decimal number is wanted"),
        (LINE.replace("1 ", "١ ", 1), "tag: a decimal number is wanted"),
        (f"0{LINE}", "tag: a leading zero"),
        (f"00 {SUITE} inline:{INLINE}", "tag: a leading zero"),
        (LINE.replace("1 ", "1000000000 ", 1), "tag: not from 0 to 999999999"),
        ("9" * 5000 + LINE, "tag: not from 0 to 999999999"),
        (LINE.replace(SUITE, "AES-CM"), "crypto-suite: letters, digits and _ are wanted"),
        (LINE.replace(SUITE, "AÉS"), "crypto-suite: letters, digits and _ are wanted"),
        (f"1 {SUITE} {INLINE}", "key 1: a key method and a colon are wanted"),
        (f"1 {SUITE} :{INLINE}", "key 1: a key method and a colon are wanted"),
        (f"1 {SUITE} in-line:{INLINE}", "key 1: a key method and a colon are wanted"),
        (f"1 {SUITE} uri:https://x", "key 1: the key method is not inline"),
        (f"1 {SUITE} inline:", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE[:-1]}*", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE[:-1]}-", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE}=", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE}====", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:={INLINE}", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE[:20]}=={INLINE[20:]}", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE[:37]}", "key 1: key and salt are not base64"),
        (f"1 {SUITE} inline:{INLINE[:-4]}", f"key 1: key and salt are 27 octets where {SUITE} has 30"),
        (f"1 {SUITE} inline:{INLINE}AA==", f"key 1: key and salt are 31 octets where {SUITE} has 30"),
        (f"1 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}AAAA", "key 1: key and salt are 33 octets where AES_CM_128_HMAC_SHA1_32 has 30"),
        (f"{LINE}|", "key 1, lifetime: a decimal number is wanted"),
        (f"{LINE}|0", f"key 1, lifetime: not from 1 to {MAX_LIFETIME}"),
        (f"{LINE}|010", "key 1, lifetime: a leading zero"),
        (f"{LINE}|281474976710657", f"key 1, lifetime: not from 1 to {MAX_LIFETIME}"),
        (f"{LINE}|{'9' * 5000}", f"key 1, lifetime: not from 1 to {MAX_LIFETIME}"),
        (f"{LINE}|-1", "key 1, lifetime: a decimal number is wanted"),
        (f"{LINE}|2^", "key 1, exponent of the lifetime: a decimal number is wanted"),
        (f"{LINE}|2^49", "key 1, exponent of the lifetime: not from 0 to 48"),
        (f"{LINE}|2^031", "key 1, exponent of the lifetime: a leading zero"),
        (f"{LINE}|3^2", "key 1, lifetime: a decimal number is wanted"),
        (f"{LINE}|2^31|1", "key 1, MKI: no length"),
        (f"{LINE}||1:4", "key 1, lifetime: a decimal number is wanted"),
        (f"{LINE}|1:4|2^31", "key 1: more than key, lifetime and MKI"),
        (f"{LINE}|2^31|1:4|1", "key 1: more than key, lifetime and MKI"),
        (f"{LINE}|1:", "key 1, length of the MKI: a decimal number is wanted"),
        (f"{LINE}|1:0", "key 1, length of the MKI: not from 1 to 128"),
        (f"{LINE}|1:129", "key 1, length of the MKI: not from 1 to 128"),
        (f"{LINE}|1:04", "key 1, length of the MKI: a leading zero"),
        (f"{LINE}|1:4:4", "key 1, length of the MKI: a decimal number is wanted"),
        (f"{LINE}|:4", "key 1, MKI of 4 octets: a decimal number is wanted"),
        (f"{LINE}|01:4", "key 1, MKI of 4 octets: a leading zero"),
        (f"{LINE}|256:1", "key 1, MKI of 1 octet: not from 0 to 255"),
        (f"{LINE}|{'9' * 5000}:4", "key 1, MKI of 4 octets: not from 0 to 4294967295"),
        (f"{LINE};", "key 2: a key method and a colon are wanted"),
        (f"{LINE};inline:{INLINE}", "keys: each of several needs an MKI of its own, all of one length"),
        (f"{LINE}|1:4;inline:{INLINE}", "keys: each of several needs an MKI of its own, all of one length"),
        (f"{LINE}|1:4;inline:{INLINE}|1:4", "keys: each of several needs an MKI of its own, all of one length"),
        (f"{LINE}|1:4;inline:{INLINE}|2:3", "keys: each of several needs an MKI of its own, all of one length"),
        (f"{LINE} ", "session parameter 1: visible characters are wanted, and at most one dash before them"),
        (f"{LINE} x -", "session parameter 2: visible characters are wanted, and at most one dash before them"),
        (f"{LINE} --x", "session parameter 1: visible characters are wanted, and at most one dash before them"),
        (f"{LINE} ä", "session parameter 1: visible characters are wanted, and at most one dash before them"),
        (f"{LINE} UNENCRYPTED_ſRTP", "session parameter 1: visible characters are wanted, and at most one dash before them"),
        (f"{LINE} KDR=", "session parameter 1, KDR: a decimal number is wanted"),
        (f"{LINE} KDR=25", "session parameter 1, KDR: not from 0 to 24"),
        (f"{LINE} KDR=05", "session parameter 1, KDR: a leading zero"),
        (f"{LINE} WSH=63", "session parameter 1, WSH: not from 64 to 281474976710655"),
        (f"{LINE} WSH=128.0", "session parameter 1, WSH: a decimal number is wanted"),
        (f"{LINE} FEC_ORDER=SRTP", "session parameter 1, FEC_ORDER: FEC_SRTP or SRTP_FEC is wanted"),
        (f"{LINE} FEC_KEY=inline:AAAA", f"session parameter 1, FEC_KEY, key 1: key and salt are 3 octets where {SUITE} has 30"),
    ],
)
def test_malformed(value: str, text: str) -> None:
    with pytest.raises(CryptoError) as caught:
        parse(value)
    assert str(caught.value).startswith(text)


# Which line of an offer is taken.


def test_the_first_line_of_our_suite_is_taken_and_its_tag_answered() -> None:
    """interop-quirks 8: PJSIP offers four suites and wants its own tag back."""
    wide = b64encode(bytes(46)).decode()
    choice = choose(
        [
            f"1 AES_256_CM_HMAC_SHA1_80 inline:{wide}",
            f"2 AES_256_CM_HMAC_SHA1_32 inline:{wide}",
            f"3 {SUITE} inline:{INLINE}",
            f"4 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}",
        ]
    )
    assert choice.crypto == Crypto(3, SUITE, KEY) and choice.findings == ()
    assert answer(choice.crypto, OTHER) == Crypto(3, SUITE, OTHER)


def test_an_answer_repeats_neither_lifetime_nor_anything_else() -> None:
    assert answer(parse(f"{LINE}|2^31"), OTHER) == Crypto(1, SUITE, OTHER)


def test_our_offer_is_one_line_of_tag_1() -> None:
    assert str(offer(KEY)) == LINE


@pytest.mark.parametrize("octets", [0, 16, 29, 31, 46])
def test_our_own_key_has_30_octets(octets: int) -> None:
    with pytest.raises(ValueError, match=f"{octets} octets where 30 are wanted"):
        offer(bytes(octets))
    with pytest.raises(ValueError, match="30 are wanted"):
        answer(parse(LINE), bytes(octets))


def test_lines_that_cannot_be_taken_are_passed_over_with_a_finding_each() -> None:
    choice = choose(
        [
            "nonsense",
            f"2 {SUITE} inline:{INLINE}|2^31|1:1",
            f"3 {SUITE} inline:{INLINE}|2^20",
            f"4 {SUITE} inline:{INLINE} KDR=2 FEC_KEY=inline:{INLINE}",
            f"5 {SUITE} inline:{INLINE}",
            "never looked at",
        ]
    )
    assert choice.crypto.tag == 5
    assert [(finding.code, finding.seen) for finding in choice.findings] == [
        ("srtp.malformed", "a=crypto line 1: tag, crypto-suite and key-params are wanted, with white space between them"),
        ("srtp.mki", "tag 2: an MKI of 1 octet"),
        ("srtp.lifetime", "tag 2: a lifetime of 2,147,483,648 packets"),
        ("srtp.lifetime", "tag 3: a lifetime of 1,048,576 packets"),
        ("srtp.session-parameter", "tag 4: KDR, FEC_KEY"),
    ]


def test_several_keys_need_an_mki_and_are_passed_over() -> None:
    with pytest.raises(NoCrypto) as caught:
        choose([f"{LINE}|1:4;inline:{b64encode(OTHER).decode()}|2:4"])
    assert caught.value.findings[1].seen == "tag 1: an MKI of 4 octets, 2 keys"


def test_a_lifetime_may_be_taken_an_mki_never() -> None:
    assert choose([f"{LINE}|2^48"], take_lifetime=True).crypto.lifetime == MAX_LIFETIME
    with pytest.raises(NoCrypto) as caught:
        choose([f"{LINE}|2^48|1:1"], take_lifetime=True)
    assert codes(caught.value) == ["srtp.no-crypto", "srtp.mki"]


@pytest.mark.parametrize(
    "parameter", ["KDR=0", "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER=FEC_SRTP", "WSH=64", "new", "-new"]
)
def test_no_session_parameter_is_taken(parameter: str) -> None:
    """RFC 4568 6.3.7: one that is not understood makes the line invalid."""
    with pytest.raises(NoCrypto) as caught:
        choose([f"{LINE} {parameter}"])
    assert codes(caught.value) == ["srtp.no-crypto", "srtp.session-parameter"]


def test_a_tag_that_was_there_before_spoils_the_second_line() -> None:
    """RFC 4568 4.1: unique among the lines of one m= line."""
    with pytest.raises(NoCrypto) as caught:
        choose([f"1 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}", LINE])
    assert codes(caught.value) == ["srtp.suite", "srtp.malformed"]
    assert caught.value.findings[1].seen == "a=crypto line 2: tag 1 is that of line 1"
    assert choose([LINE, LINE]).findings == ()


def test_other_suites_are_named_once_each() -> None:
    """interop-quirks 8: AES_CM_128_HMAC_SHA1_32 alone gets 488."""
    short = f"AES_CM_128_HMAC_SHA1_32 inline:{INLINE}"
    with pytest.raises(NoCrypto) as caught:
        choose([f"1 {short}", f"2 {short}", f"3 F8_128_HMAC_SHA1_80 inline:{INLINE}"])
    assert [(finding.code, finding.seen) for finding in caught.value.findings] == [
        ("srtp.suite", "AES_CM_128_HMAC_SHA1_32, F8_128_HMAC_SHA1_80")
    ]
    assert str(caught.value) == "srtp.suite: AES_CM_128_HMAC_SHA1_32, F8_128_HMAC_SHA1_80"


@pytest.mark.parametrize(
    ("values", "seen", "others"),
    [
        ([], "no a=crypto line", []),
        (["x"], "none of 1 a=crypto lines can be used", ["srtp.malformed"]),
        ([f"{LINE}|1:1", f"2 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}"], "none of 2 a=crypto lines can be used", ["srtp.mki"]),
    ],
)
def test_nothing_that_can_be_used(values: list[str], seen: str, others: list[str]) -> None:
    with pytest.raises(NoCrypto) as caught:
        choose(values)
    assert codes(caught.value) == ["srtp.no-crypto", *others] and caught.value.findings[0].seen == seen


def test_sixteen_lines_are_looked_at() -> None:
    short = [f"{at} AES_CM_128_HMAC_SHA1_32 inline:{INLINE}" for at in range(2, 2 + MAX_LINES)]
    choice = choose([*short[1:], LINE])
    assert choice.crypto.tag == 1 and choice.findings == ()
    with pytest.raises(NoCrypto) as caught:
        choose([*short, LINE])
    assert codes(caught.value) == ["srtp.suite", "srtp.too-many"]
    assert caught.value.findings[1].seen == "17 a=crypto lines, of which 16 are looked at"
    assert [finding.code for finding in choose([LINE, *short]).findings] == ["srtp.too-many"]


# No key is shown.


@pytest.mark.parametrize(
    "value",
    [
        f"{LINE}|2^31|1:1 FEC_KEY=inline:{INLINE}|1:1",
        f"{LINE}|1:4;inline:{INLINE}|2:4",
        f"{LINE} x=inline:{INLINE}",
        f"1 inline:{INLINE} {SUITE}",
        f"inline:{INLINE} {SUITE} 1",
        f"{INLINE} {SUITE} {INLINE}",
        f"1 {SUITE} {INLINE}:inline",
        f"1 {SUITE} {INLINE}|{INLINE}",
        f"1 {SUITE} inline:{INLINE}{INLINE}",
        f"1 {SUITE} inline:{INLINE}|{INLINE}",
        f"1 {SUITE} inline:{INLINE}|{INLINE}:{INLINE}",
        f"{LINE} KDR={INLINE} ",
        f"{LINE} FEC_KEY={INLINE}",
    ],
)
def test_no_error_finding_or_repr_shows_a_key(value: str) -> None:
    shown = []
    try:
        crypto = parse(value)
        shown.append(repr(crypto) + repr(crypto.more))
    except CryptoError as error:
        shown.append(repr(error))
    with pytest.raises(NoCrypto) as caught:
        choose([value])
    shown.append(repr(caught.value) + repr(caught.value.findings))
    shown.append(repr(choose([value, f"9 {SUITE} inline:{INLINE}"])))
    for text in shown:
        assert INLINE[:8] not in text and INLINE[-8:] not in text and repr(KEY)[2:-1] not in text


# Whatever comes.

numbers = st.integers(0, 1 << 60).map(str) | st.sampled_from(["", "0", "01", "2^31", "-1", "١"])
pieces = st.sampled_from([SUITE, "inline:", INLINE, "|", ";", ":", " ", "\t", "=", "FEC_KEY=", "KDR=", "WSH=", "-", "2^", "1", "x"])


@given(st.text(max_size=120) | st.lists(pieces | numbers, max_size=24).map("".join))
def test_no_text_raises_anything_else_and_what_parses_prints(value: str) -> None:
    try:
        crypto = parse(value)
    except CryptoError:
        pass
    else:
        assert parse(str(crypto)) == crypto and str(parse(str(crypto))) == str(crypto)
    try:
        choose([value])
    except NoCrypto as error:
        assert error.findings


lifetimes = st.none() | st.integers(1, MAX_LIFETIME)
mkis = st.integers(1, 128).flatmap(lambda length: st.tuples(st.integers(0, (1 << 8 * length) - 1), st.just(length)))
sessions = st.lists(
    st.sampled_from(
        ["KDR=0", "KDR=24", "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER=SRTP_FEC", "WSH=64", "-a"]
    ),
    max_size=4,
).map(tuple)


@given(
    st.builds(
        Crypto,
        tag=st.integers(0, 999_999_999),
        suite=st.sampled_from([SUITE, "AES_CM_128_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80", "New_1"]),
        key=st.binary(min_size=KEY_OCTETS, max_size=KEY_OCTETS),
        lifetime=lifetimes,
        mki=st.none() | mkis,
        session=sessions,
    )
)
def test_what_is_printed_parses_to_itself(crypto: Crypto) -> None:
    assert parse(str(crypto)) == crypto
