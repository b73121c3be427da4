"""The messages of RFC 4475 and RFC 5118, and what an element that is a user agent and a registrar owes each of them.

The octets are those of the RFCs' appendices, but for what those leave out: `baddn` there lacks the empty line at its end, and all of
RFC 5118's have bare line feeds for CRLF, two of them no empty line. Three of RFC 5118 announce a Content-Length that their body has not;
each of these is here twice, as printed and with the length put right.

The trunk demands credentials on INVITE and REGISTER, so a message has up to three forms:

    answer      as the RFC has it. A challenge counts where the RFC has nothing to refuse before one
    with_digest the same with the challenge answered. The called users are no numbers and the registered ones no account of ours: the
                trunk's own refusal of that, one of `POLICY`, counts as processed
    variant     with numbers or an account that the trunk takes, and then what the RFC says, to the letter
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tests.torture.messages import Edit, account, numbers, outside_dialogs, pcmu, right_length, with_contact

_HERE = Path(__file__).resolve().parent

Statuses = frozenset[int]


def _one(*statuses: int) -> Statuses:
    return frozenset(statuses)


SILENCE = _one()
POLICY = _one(403, 404, 484)
"""How the trunk refuses numbers, callers and addresses-of-record that are none of its customer's."""
INVITED, REGISTERED = _one(407), _one(401)
"""The challenges of a well-formed INVITE and REGISTER."""


class Stream(Enum):
    """What becomes of the message where Content-Length is what separates it from the next one (RFC 3261 18.3)."""

    SAME = "the outcome of a datagram"
    CLOSED = "the framing is lost: the connection is closed, after an error or without; what came whole before is answered"
    WAITS = "the rest of the body is waited for, and not for ever"


@dataclass(frozen=True, slots=True)
class Variant:
    """The message after these edits, its credentials given, and what must come then."""

    edits: tuple[Edit, ...]
    answer: Statuses
    bindings: tuple[str, ...] | None = None
    """The URIs that a 200 to REGISTER, and a later fetch, must list: these and no other."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Header of the answer, and what its value must hold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One message and what is due for it."""

    name: str
    rfc: int
    section: str
    probes: str
    answer: Statuses
    with_digest: Statuses | None = None
    variant: Variant | None = None
    stream: Stream = Stream.SAME
    behind: Statuses | None = None
    """On a stream the octets behind the message are another one: its outcome."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What a parser must have read; the names are those of `tests.torture.facts`."""
    port: int = 5060
    """Where the top Via wants datagrams to be answered."""
    corrected: bool = False
    """Content-Length put right."""

    @property
    def data(self) -> bytes:
        octets = (_HERE / f"rfc{self.rfc}" / f"{self.name}.dat").read_bytes()
        return right_length(octets) if self.corrected else octets

    @property
    def whole(self) -> bool:
        """Whether the message is of use on a stream: its length is right, or the stream's outcome is about its being wrong."""
        return (self.name, self.corrected) not in _WRONG_LENGTH

    def __str__(self) -> str:
        return f"{self.name}, length corrected" if self.corrected else self.name


_WRONG_LENGTH = {("mult-ip-in-sdp", False), ("ipv4-mapped-ipv6", False)}
"""Too small a Content-Length: on a stream their last octets are the beginning of the next message, about which no RFC says more."""

_CYRILLIC = "= 2**3 * 5**2 но сто девяносто девять - простое"
_ODD_METHOD = "!interesting-Method0123456789_*+`.%indeed'~"
_ODD_URI = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com"

RFC4475 = (
    Outcome(
        "wsinv", 4475, "3.1.1.1", "folding, white space and case wherever the grammar lets them be; of a dialog nobody knows",
        INVITED | {481},
        variant=Variant((outside_dialogs, numbers), _one(200)),
        facts={
            "method": "INVITE", "uri": "sip:vivekg@chair-dnrc.example.com;unknownparam", "to.tag": "1918181833n", "to.user": "vivekg",
            "from.display": 'J Rosenberg \\"', "from.tag": "98asjd8", "max-forwards": 68, "call-id": "wsinv.ndaksdj@192.0.2.1",
            "cseq": 9, "vias": 3, "via.transport": "UDP", "via.host": "192.0.2.2", "via.branch": "390skdjuw",
            "header subject": "", "header newfangledheader": "newfangled value continued newfangled value",
            "header unknownheaderwithunusualvalue": ";;,,;;,;", "contact.display": 'Quoted string ""',
            "contact.params": {"newparam": "newvalue", "secondparam": None, "q": "0.33"}, "body": 150,
        },
    ),
    Outcome(
        "intmeth", 4475, "3.1.1.2", "every character a token, a URI, a quoted string and a Call-ID may hold",
        _one(501),
        facts={
            "method": _ODD_METHOD, "uri": _ODD_URI, "uri.host": "example.com", "via.branch": "z9hG4bK-.!%66*_+`'~",
            "to.display": "BEL:\x07 NUL:\x00 DEL:\x7f", "from.display": "token1~` token2'+_ token3*%!.-", "from.user": "mundane",
            "from.tag": "_token~1'+`*%!-.", "from.params": {"fromparam''~+*_!.-%": '"работающий"', "tag": "_token~1'+`*%!-."},
            "call-id": "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{", "cseq": 139122385, "max-forwards": 255,
            "header extensionheader-!.%*+_`'~": "\ufeff大停電",
        },
    ),
    Outcome(
        "esc01", 4475, "3.1.1.3", "escapes in URIs, one of them of a percent sign",
        INVITED, POLICY, Variant((numbers,), _one(200)),
        facts={
            "uri.user": "sips:user@example.com", "uri.host": "example.net", "to.user": "user", "from.user": "I have spaces",
            "contact.user": "caller", "contact.equals": "sip:caller@host5.example.net;lr;name=value%2541",
            "contact.differs": "sip:caller@host5.example.net;lr;name=valueA", "body": 150,
        },
    ),
    Outcome(
        "escnull", 4475, "3.1.1.4", "escaped NULs in URIs, two contacts that only they tell apart",
        REGISTERED, POLICY, Variant((account,), _one(200), ("sip:%00@host5.example.com", "sip:%00%00@host5.example.com")),
        facts={"to.user": "null-\x00-null", "from.user": "null-\x00-null", "contacts": 2, "contact.user": "\x00"},
    ),
    Outcome(
        "esc02", 4475, "3.1.1.5", "percent signs that escape nothing",
        _one(501),
        facts={
            "method": "RE%47IST%45R", "to.display": "%Z%45", "from.display": "%Z%45", "contacts": 2,
            "header c%6fntact": "<sip:alias2@host2.example.com>", "via.branch": "z9hG4bK209%fzsnel234",
        },
    ),
    Outcome(
        "lwsdisp", 4475, "3.1.1.6", "no white space between a display name and its URI",
        _one(200),
        facts={"from.display": "caller", "from.user": "caller", "from.tag": "323"},
    ),
    Outcome(
        "longreq", 4475, "3.1.1.7", "long names, long values, many Vias",
        INVITED, POLICY, Variant((numbers,), _one(200)),
        facts={
            "vias": 34, "via.host": "sip33.example.com", "via.branch": None,
            "to.display": f"I have a user name of {'extreme' * 10} proportion", "from.user": "amazinglylongcallername" * 5,
            "from.tag": f"12{'982' * 50}424", "call-id": f"longreq.one{'really' * 20}longcallid",
            "contact.user": "amazinglylongcallername" * 5, "body": 150,
        },
    ),
    Outcome(
        "dblreq", 4475, "3.1.1.8", "octets behind a REGISTER that look like an INVITE",
        REGISTERED, POLICY, Variant((account,), _one(200), ("sip:j.user@host.example.com",)),
        stream=Stream.CLOSED, behind=INVITED,  # whose length is too small in its turn, and what is left is no message
        facts={"method": "REGISTER", "body": 0, "vias": 1, "to.user": "j.user"},
    ),
    Outcome(
        "semiuri", 4475, "3.1.1.9", "parameters in the user part of a URI",
        _one(200),
        facts={"uri.user": "user;par=u@example.net", "uri.host": "example.com"},
    ),
    Outcome(
        "transports", 4475, "3.1.1.10", "Vias of every transport, one of them unknown",
        _one(200),
        facts={"vias": 5, "via.transport": "UDP", "call-id": "transports.kijh4akdnaqjkwendsasfdj"},
    ),
    Outcome(
        "mpart01", 4475, "3.1.1.11", "a multipart body with NULs in it, of a method that the trunk does not take",
        _one(405),
        facts={"method": "MESSAGE", "body": 553, "part text/plain": 5, "part application/octet-stream": 342},
        port=5070,
    ),
    Outcome(
        "unreason", 4475, "3.1.1.12", "a response whose reason is no English",
        SILENCE,
        facts={"status": 200, "reason": _CYRILLIC, "cseq": 35, "body": 154},
    ),
    Outcome(
        "noreason", 4475, "3.1.1.13", "a response without a reason",
        SILENCE,
        facts={"status": 100, "reason": "", "to.tag": "902jndnke3"},
    ),
    Outcome("badinv01", 4475, "3.1.2.1", "semicolons and commas in Via and Contact that separate nothing", _one(400)),
    Outcome("clerr", 4475, "3.1.2.2", "a Content-Length beyond the end", _one(400), stream=Stream.WAITS),
    Outcome("ncl", 4475, "3.1.2.3", "a negative Content-Length", _one(400), stream=Stream.CLOSED),
    Outcome("scalar02", 4475, "3.1.2.4", "numbers of a request out of their range, CSeq among them", _one(400)),
    Outcome("scalarlg", 4475, "3.1.2.5", "numbers of a response out of their range", SILENCE),
    Outcome("quotbal", 4475, "3.1.2.6", "a display name whose quotes do not end", _one(400), port=5050),
    Outcome("ltgtruri", 4475, "3.1.2.7", "angle brackets round the Request-URI", _one(400) | INVITED, POLICY | {400}),
    Outcome("lwsruri", 4475, "3.1.2.8", "a space inside the Request-URI", _one(400)),
    Outcome("lwsstart", 4475, "3.1.2.9", "two spaces where the start line has one", _one(400) | INVITED, POLICY | {400}),
    Outcome("trws", 4475, "3.1.2.10", "spaces at the end of the start line", _one(200, 400)),
    Outcome(
        "escruri", 4475, "3.1.2.11", "headers in the Request-URI",
        _one(400) | INVITED, POLICY | {400}, Variant((numbers,), _one(200, 400)),
    ),
    Outcome(
        "baddate", 4475, "3.1.2.12", "a Date, of which nothing depends, in another zone than GMT",
        INVITED, POLICY, Variant((numbers,), _one(200)),
    ),
    Outcome(
        "regbadct", 4475, "3.1.2.13", "a contact with headers and without its brackets",
        _one(400) | REGISTERED, POLICY | {400},
        Variant((account,), _one(200, 400), ("sip:user@example.com?Route=%3Csip:sip.example.com%3E",)),
    ),
    Outcome("badaspec", 4475, "3.1.2.14", "spaces inside the brackets round a URI", _one(200, 400)),
    Outcome("baddn", 4475, "3.1.2.15", "display names with commas and without quotes", _one(200, 400)),
    Outcome("badvers", 4475, "3.1.2.16", "a version that nobody speaks, in the start line and in Via", _one(505)),
    Outcome("mismatch01", 4475, "3.1.2.17", "another method in CSeq", _one(400)),
    Outcome("mismatch02", 4475, "3.1.2.18", "another method in CSeq than the unknown one of the start line", _one(400, 501)),
    Outcome("bigcode", 4475, "3.1.2.19", "a response with a status beyond 699", SILENCE),
    Outcome(
        "badbranch", 4475, "3.2.1", "a branch that is the cookie and nothing behind it",
        _one(200, 400),
        facts={"via.branch": "z9hG4bK"},
    ),
    Outcome("insuf", 4475, "3.3.1", "no From, no To, no Call-ID", _one(400)),
    Outcome(
        "unkscm", 4475, "3.3.2", "a Request-URI of a scheme that nobody knows",
        _one(416),
        facts={"uri": "nobodyKnowsThisScheme:totallyopaquecontent"},
    ),
    Outcome(
        "novelsc", 4475, "3.3.3", "a Request-URI of a scheme that exists and is none for SIP",
        _one(404, 416),
        facts={"uri": "soap.beep://192.0.2.103:3002"},
    ),
    Outcome(
        "unksm2", 4475, "3.3.4", "a REGISTER whose To, From and Contact have other schemes than SIP's",
        _one(400) | REGISTERED, _one(400),
        facts={"to.uri": "isbn:2983792873", "from.uri": "http://www.example.com", "from.tag": "3234233", "contact.uri": "name:John_Smith"},
    ),
    Outcome("bext01", 4475, "3.3.5", "extensions required of us and of proxies that nobody has", _one(420)),
    Outcome(
        "invut", 4475, "3.3.6", "a body of a type that nobody knows",
        INVITED | {415}, POLICY | {415}, Variant((numbers,), _one(415), needs={"accept": "application/sdp"}),
        facts={"body": 40},
    ),
    Outcome(
        "regaut01", 4475, "3.3.7", "credentials of an unknown scheme",
        REGISTERED, POLICY, Variant((account,), _one(200), ()),
        facts={"header authorization": "NoOneKnowsThisScheme opaque-data=here", "contacts": 0},
    ),
    Outcome("multi01", 4475, "3.3.8", "two of each header that may stand there once", _one(400)),
    Outcome("mcl01", 4475, "3.3.9", "two lengths", _one(400), stream=Stream.CLOSED),
    Outcome(
        "bcast", 4475, "3.3.10", "a response with a Via that would send it to everybody",
        SILENCE,
        facts={"status": 200, "vias": 2},
    ),
    Outcome("zeromf", 4475, "3.3.11", "no hops left, and none needed", _one(200), facts={"max-forwards": 0}),
    Outcome(
        "cparam01", 4475, "3.3.12", "a contact without brackets, so that its parameter is the header's",
        REGISTERED, POLICY, Variant((account,), _one(200), ("sip:+19725552222@gw1.example.net",)),
        facts={"contact.uri": "sip:+19725552222@gw1.example.net", "contact.params": {"unknownparam": None}},
    ),
    Outcome(
        "cparam02", 4475, "3.3.13", "a contact whose parameter is the URI's",
        REGISTERED, POLICY, Variant((account,), _one(200), ("sip:+19725552222@gw1.example.net;unknownparam",)),
        facts={"contact.uri": "sip:+19725552222@gw1.example.net;unknownparam", "contact.params": {}},
    ),
    Outcome(
        "regescrt", 4475, "3.3.14", "a contact whose URI holds a header",
        REGISTERED, POLICY, Variant((account,), _one(200), ("sip:user@example.com?Route=%3Csip:sip.example.com%3E",)),
        facts={"contact.uri": "sip:user@example.com?Route=%3Csip:sip.example.com%3E"},
    ),
    Outcome(
        "sdp01", 4475, "3.3.15", "an INVITE whose sender can't read SDP",
        INVITED | {400, 406}, POLICY | {400, 406}, Variant((numbers,), _one(400, 406), needs={"warning": "399 "}),
        facts={"header accept": "text/nobodyKnowsThis"},
    ),
    Outcome(
        "inv2543", 4475, "3.4.1", "an INVITE as RFC 2543 had it: no branch, tag, length, Max-Forwards",
        INVITED, POLICY, Variant((numbers, with_contact), _one(200), needs={"record-route": "sip:UserB@example.com;maddr=ss1.example.com"}),
        stream=Stream.CLOSED,
        facts={"via.branch": None, "from.user": "+13035551111", "from.tag": None, "to.params": {"user": "phone"}, "body": 105},
    ),
)  # fmt: skip

_REFERENCE = {"uri.host": "[2001:db8::10]", "uri.port": None, "via.host": "[2001:db8::9:1]", "contact.host": "[2001:db8::1]"}
_BOUND = ("sip:caller@[2001:db8::1]",)

RFC5118 = (
    Outcome(
        "ipv6-good", 5118, "4.1", "IPv6 references in the Request-URI, in Via and in Contact",
        REGISTERED, POLICY, Variant((account,), _one(200), _BOUND),
        facts={**_REFERENCE, "contact.display": "Caller", "cseq": 98176},
    ),
    Outcome("ipv6-bad", 5118, "4.2", "an IPv6 address without brackets in the Request-URI", _one(400)),
    Outcome(
        "port-ambiguous", 5118, "4.3", "what was meant for a port inside the brackets",
        REGISTERED, POLICY, Variant((account,), _one(200), _BOUND),
        facts={**_REFERENCE, "uri.host": "[2001:db8::10:5070]"},
    ),
    Outcome(
        "port-unambiguous", 5118, "4.4", "a port behind the brackets",
        REGISTERED, POLICY, Variant((account,), _one(200), _BOUND),
        facts={**_REFERENCE, "uri.port": 5070},
    ),
    Outcome(
        "via-received-param-with-delim", 5118, "4.5", "brackets round the address in received, in a BYE of no dialog",
        _one(481),
        facts={"method": "BYE", "via.host": "[2001:db8::9:1]", "via.received": "[2001:db8::9:255]", "via.branch": "z9hG4bKas3-111"},
    ),
    Outcome(
        "via-received-param-no-delim", 5118, "4.5", "the address in received as the grammar has it",
        _one(200),
        facts={"via.host": "[2001:db8::9:1]", "via.received": "2001:db8::9:255", "via.branch": "z9hG4bKas3"},
    ),
    # RFC 5118 calls it well-formed, and that its printed length is 17 too large RFC 3261 18.3 calls an error to be answered with 400.
    Outcome("ipv6-in-sdp", 5118, "4.6", "IPv6 in the SDP, and as printed a Content-Length beyond the end", _one(400), stream=Stream.WAITS),
    Outcome(
        "ipv6-in-sdp", 5118, "4.6", "IPv6 in the SDP",
        INVITED, POLICY, Variant((numbers, pcmu), _one(200, 488)), corrected=True,
        facts={
            "uri.host": "[2001:db8::10]", "to.uri": "sip:user@[2001:db8::10]", "contact.host": "[2001:db8::20]", "body": 251,
            "sdp connections": ["2001:db8::20", "2001:db8::20"],
        },
    ),
    Outcome(
        "mult-ip-in-header", 5118, "4.7", "Vias of IPv4 and of IPv6 in one BYE of no dialog",
        _one(481),
        facts={"vias": 3, "via.host": "[2001:db8::9:1]", "via.port": 6050, "to.tag": "9817--94"},
        port=6050,
    ),
    Outcome(
        "mult-ip-in-sdp", 5118, "4.8", "an address of its own for each line of the SDP, and as printed a Content-Length before its end",
        INVITED, POLICY, Variant((numbers,), _one(200)),
        facts={"body": 181, "sdp connections": ["192.0.2.1", "2001:db8::1"]},
    ),
    Outcome(
        "mult-ip-in-sdp", 5118, "4.8", "an address of its own for each line of the SDP",
        INVITED, POLICY, Variant((numbers,), _one(200)), corrected=True,
        facts={"body": 189, "sdp connections": ["192.0.2.1", "2001:db8::1"]},
    ),
    Outcome(
        "ipv4-mapped-ipv6", 5118, "4.9", "IPv4 addresses in IPv6 clothes, and as printed a Content-Length before the end of the SDP",
        INVITED, POLICY, Variant((numbers, pcmu), _one(200, 488)), port=19823,
        facts={"vias": 2, "via.host": "[::ffff:192.0.2.10]", "via.port": 19823, "contact.host": "[::ffff:192.0.2.2]", "body": 236},
    ),
    Outcome(
        "ipv4-mapped-ipv6", 5118, "4.9", "IPv4 addresses in IPv6 clothes",
        INVITED, POLICY, Variant((numbers, pcmu), _one(200, 488)), port=19823, corrected=True,
        facts={
            "contact.display": "T. desk phone", "contact.host": "[::ffff:192.0.2.2]", "body": 245,
            "sdp connections": ["::ffff:192.0.2.2", "::ffff:192.0.2.2"],
        },
    ),
    Outcome(
        "ipv6-bug-abnf-3-colons", 5118, "4.10", "the third colon that the grammar of RFC 3261 makes possible",
        _one(200),
        facts={"uri.host": "[2001:db8:::192.0.2.1]", "uri.user": "user"},
    ),
    Outcome(
        "ipv6-correct-abnf-2-colons", 5118, "4.10", "an IPv4 tail in an IPv6 reference",
        _one(200),
        facts={"uri.host": "[2001:db8::192.0.2.1]", "uri.user": "user"},
    ),
)  # fmt: skip

OUTCOMES = RFC4475 + RFC5118
