"""Digest, the client's side: against the server's check of ours, the RFCs' own examples, and in calls."""

import re

import pytest

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.sip.credentials import Answers, Credentials
from emulator.sip.digest import ALGORITHMS, Demands, Nonces, check
from emulator.sip.headers import parse_credentials
from emulator.sip.message import Response, parse
from tests.support.calling import CONTACT, OFFER, SDP_LINE, CallNetwork
from tests.support.phone import Received

SECRET = "OfflineSecret1"


class User:
    """`phone`, whose password is SECRET."""

    def ha1(self, username: str, realm: str, algorithm: str) -> str | None:
        return ALGORITHMS[algorithm](f"{username}:{realm}:{SECRET}") if username == "phone" else None

    def named(self, hashed: str, realm: str, algorithm: str) -> str | None:
        return None


@pytest.fixture
def credentials(ids: Ids) -> Credentials:
    return Credentials("phone", SECRET, ids)


def challenged(*challenges: str, status: int = 407) -> Response:
    """A 401 or 407 with these challenges."""
    name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
    lines = "".join(f"{name}: {challenge}\r\n" for challenge in challenges)
    message = parse(
        f"SIP/2.0 {status} Challenged\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
        f"Call-ID: x\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(message, Response)
    return message


def values(line: str) -> dict[str, str]:
    """The parameters of the one answer."""
    (value,) = re.findall(r"^(?:Proxy-)?Authorization: (.+)\r\n$", line)
    return parse_credentials(value)[1]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_the_server_of_ours_takes_it(credentials: Credentials, clock: SteppedClock, algorithm: str) -> None:
    nonces = Nonces("us-3-1", b"k" * 32, clock, algorithms=(algorithm,))
    answers = Answers(credentials)
    assert answers.request().take(challenged(*nonces.challenges("sip-us.vonage.com")))
    for count in range(1, 4):
        line = answers.request().lines("INVITE", "sip:1@h")
        assert line.startswith("Proxy-Authorization: Digest username=")
        assert values(line)["nc"] == f"{count:08x}"
        verdict = check(nonces, "INVITE", "sip:1@h", line.partition(": ")[2].strip(), User(), demands=Demands(qop=True))
        assert verdict.ok and not verdict.findings


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    """3.9.1."""

    class Fixed(Ids):
        def tag(self) -> str:
            return "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    line = Credentials("Mufasa", "Circle of Life", Fixed(1)).answer(challenged(challenge, status=401), "GET", "/dir/index.html")
    assert line is not None and line.startswith("Authorization: Digest ")
    found = values(line)
    assert found["response"] == response
    assert (found["opaque"], found["qop"], found["nc"]) == ("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", "auth", "00000001")


def test_without_qop_as_rfc_2069_had_it(credentials: Credentials) -> None:
    line = credentials.answer(challenged('Digest realm="r", nonce="n"', status=401), "REGISTER", "sip:h")
    assert line is not None
    found = values(line)
    md5 = ALGORITHMS["MD5"]
    assert found["response"] == md5(f"{md5(f'phone:r:{SECRET}')}:n:{md5('REGISTER:sip:h')}")
    assert {"qop", "nc", "cnonce", "opaque"}.isdisjoint(found)


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce=""',
        'Digest realm="r", nonce="n", algorithm=MD5-sess',
        'Digest realm="r", nonce="n", algorithm=SHA-1',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r',
        "nonsense",
    ],
)
def test_what_can_not_be_answered(credentials: Credentials, challenge: str) -> None:
    assert credentials.answer(challenged(challenge), "INVITE", "sip:h") is None


def test_the_first_challenge_of_a_realm_that_can_be_answered_is(credentials: Credentials) -> None:
    """RFC 7616 3.7."""
    response = challenged(
        'Digest realm="r", nonce="1", algorithm=SHA-384',
        'Digest realm="r", nonce="2", algorithm=SHA-256',
        'Digest realm="r", nonce="3"',
    )
    line = credentials.answer(response, "INVITE", "sip:h")
    assert line is not None and (values(line)["nonce"], values(line)["algorithm"]) == ("2", "SHA-256")


def test_a_realm_of_each_proxy_is_answered(credentials: Credentials) -> None:
    """22.3: "When multiple proxies are used in a chain"."""
    answering = Answers(credentials).request()
    assert answering.take(challenged('Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2"'))
    assert answering.take(challenged('Digest realm="c", nonce="3"', status=401))
    lines = answering.lines("INVITE", "sip:h").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["Proxy-Authorization", "Proxy-Authorization", "Authorization"]
    assert [re.findall('realm="(.)"', line)[0] for line in lines] == ["a", "b", "c"]


def test_names_with_quotes_are_escaped(ids: Ids) -> None:
    line = Credentials('a"b', "p", ids).answer(challenged('Digest realm="r", nonce="n"'), "INVITE", "sip:h")
    assert line is not None and 'username="a\\"b"' in line and values(line)["username"] == 'a"b'


def test_one_try_for_a_nonce_and_another_for_a_stale_one(credentials: Credentials) -> None:
    """RFC 7616 3.3: only stale=true says that the password was right."""
    answers = Answers(credentials)
    answering = answers.request()
    assert answering.take(challenged('Digest realm="r", nonce="1"'))
    answering.lines("INVITE", "sip:h")
    assert not answering.take(challenged('Digest realm="r", nonce="1"'))
    assert not answering.take(challenged('Digest realm="r", nonce="1", stale=true'))
    assert not answering.take(challenged('Digest realm="r", nonce="2"'))
    assert answering.take(challenged('Digest realm="r", nonce="2", stale=TRUE'))
    assert answers.request().take(challenged('Digest realm="r", nonce="3"'))  # another request: nonces may be used once


def test_tries_and_realms_are_bounded(credentials: Credentials) -> None:
    answering = Answers(credentials).request()
    taken = [answering.take(challenged(f'Digest realm="r", nonce="{number}", stale=true')) for number in range(6)]
    assert taken == [True] * 4 + [False] * 2
    answering = Answers(credentials).request()
    answering.take(challenged(*(f'Digest realm="{number}", nonce="1"' for number in range(100))))
    assert answering.lines("INVITE", "sip:h").count("\r\n") == 8


# -- in calls --------------------------------------------------------------------------------------------------------

CHALLENGE = 'Proxy-Authenticate: Digest realm="r", nonce="n1", qop="auth"\r\n'


def answer_of(message: Received) -> dict[str, str]:
    return parse_credentials(message.get("proxy-authorization") or "")[1]


def test_an_invite_is_repeated_with_credentials(network: CallNetwork, credentials: Credentials) -> None:
    """22.2: the same Call-ID, From and To, the next CSeq; the ACKs have the credentials of their INVITE (22.1)."""
    network.invite(credentials=credentials)
    first = network.callee.invited
    assert first is not None and first.get("proxy-authorization") is None
    network.callee.answer(407, CHALLENGE)
    assert network.callee.expect("ACK").get("proxy-authorization") is None
    again = network.callee.expect("INVITE")
    assert again.get("cseq") == "2 INVITE" and again.body == OFFER
    assert [again.get(name) for name in ("call-id", "from", "to")] == [first.get(name) for name in ("call-id", "from", "to")]
    assert (answer_of(again)["nonce"], answer_of(again)["uri"]) == ("n1", "sip:14155550100@192.0.2.10:5070")
    network.callee.accept()
    ack = network.callee.expect("ACK")
    assert ack.get("proxy-authorization") == again.get("proxy-authorization")
    assert network.user.heard == ["accepted callee"]


def test_requests_of_the_dialog_have_credentials_from_the_start_and_count_on(network: CallNetwork, credentials: Credentials) -> None:
    network.invite(credentials=credentials)
    network.callee.answer(407, CHALLENGE)
    network.callee.expect("ACK", "INVITE")
    network.callee.accept()
    network.callee.expect("ACK")
    session = network.user.session
    assert session is not None
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    again = network.callee.expect("INVITE")
    assert (answer_of(again)["nc"], answer_of(again)["uri"]) == ("00000002", "sip:callee@192.0.2.10:5070")
    network.callee.answer(407, CHALLENGE.replace("n1", "n2"))  # nonces of a server that takes each once
    again = network.callee.expect("ACK", "INVITE")
    assert (answer_of(again)["nc"], answer_of(again)["nonce"]) == ("00000001", "n2")
    network.callee.accept()
    assert network.callee.expect("ACK").get("proxy-authorization") == again.get("proxy-authorization")
    assert heard == [200]
    done: list[bool] = []
    session.hang_up(lambda: done.append(True))
    bye = network.callee.expect("BYE")
    assert answer_of(bye)["nc"] == "00000002"
    network.callee.answer(407, CHALLENGE.replace('n1"', 'n3", stale=true'), to=bye)
    bye = network.callee.expect("BYE")
    assert answer_of(bye)["nonce"] == "n3" and not done
    network.callee.answer(200, to=bye)
    assert done
    network.rest()


def test_wrong_credentials_are_a_refusal(network: CallNetwork, credentials: Credentials) -> None:
    network.invite(credentials=credentials)
    network.callee.answer(407, CHALLENGE)
    again = network.callee.expect("ACK", "INVITE")
    network.callee.answer(407, CHALLENGE.replace("n1", "n2"))
    ack = network.callee.expect("ACK")
    assert ack.get("proxy-authorization") == again.get("proxy-authorization")
    network.callee.expect_nothing()
    assert network.user.heard == ["refused 407"]
    network.rest()


def test_who_has_no_credentials_gives_none_away(network: CallNetwork) -> None:
    """robustness 6."""
    network.invite()
    network.callee.answer(401, CHALLENGE.replace("Proxy", "WWW"))
    network.callee.expect("ACK")
    network.callee.expect_nothing()
    assert network.user.heard == ["refused 401"]


def test_a_challenge_after_cancel_is_a_refusal(network: CallNetwork, credentials: Credentials) -> None:
    invitation = network.invite(credentials=credentials)
    network.callee.answer(100)
    invitation.cancel()
    network.callee.expect("CANCEL")
    network.callee.answer(407, CHALLENGE)
    network.callee.expect("ACK")
    assert network.user.heard == ["100", "refused 407"]


def test_a_bye_that_stays_challenged_is_done(network: CallNetwork, credentials: Credentials) -> None:
    session = network.call(credentials=credentials)
    done: list[bool] = []
    session.hang_up(lambda: done.append(True))
    for _ in range(2):
        network.callee.answer(407, CHALLENGE, to=network.callee.expect("BYE"))
    assert done
    network.rest()
