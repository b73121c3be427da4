"""REGISTER, RFC 3261 10."""

import pytest

from emulator.trunk.registrar import RegistrarPolicy
from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import Phone, Received, digest

URI = "sip:sip-us.vonage.com"


class Registering(Phone):
    """A phone that registers: it computes its digest over REGISTER."""

    address = "abcd1234"
    secret_now = "OfflineSecret1"

    def register(self, contact: str = "<sip:a@192.0.2.10:5070>", extra: str = "", cseq: int | None = None) -> Received:
        """Challenge and answer; returns the final response."""
        to = f"<sip:{self.address}@sip-us.vonage.com>"
        lines = extra + (f"Contact: {contact}\r\n" if contact else "")

        def text(more: str, sequence: int | None) -> str:
            return self.request("REGISTER", URI, lines + more, cseq=sequence, to=to).replace(
                f"Contact: <sip:{self.caller}@{self.host}:{self.port}>\r\n", "", 1
            )

        self.transmit(text("", cseq - 1 if cseq else None))
        challenged = self.expect(401)
        value = digest("REGISTER", URI, challenged.get("www-authenticate") or "", self.user, self.secret_now)
        self.last = text(f"Authorization: {value}\r\n", cseq)
        self.transmit(self.last)
        assert self.inbox, "no answer to REGISTER"
        return self.inbox.pop(0)


def phone(network: Network) -> Registering:
    made = network.phone()
    made.__class__ = Registering
    return made  # type: ignore[return-value]


def test_a_contact_is_bound_listed_and_removed(network: Network) -> None:
    registering = phone(network)
    bound = registering.register()
    assert (bound.status, bound.get("contact")) == (200, "<sip:a@192.0.2.10:5070>;expires=3600")
    assert bound.get("date") == "Tue, 14 Nov 2023 22:13:20 GMT"
    network.clock.advance(100)
    assert registering.register("").get("contact") == "<sip:a@192.0.2.10:5070>;expires=3500"
    removed = registering.register("<sip:a@192.0.2.10:5070>;expires=0")
    assert (removed.status, removed.get("contact")) == (200, None)
    assert len(network.trunk.registrar) == 0


def test_expiry_by_parameter_before_header_before_default(network: Network) -> None:
    registering = phone(network)
    answered = registering.register("<sip:a@h>;expires=120;q=0.5, <sip:b@h>, <sip:c@h>;expires=soon", "Expires: 600\r\n")
    assert answered.all("contact") == ["<sip:a@h>;q=0.5;expires=120", "<sip:b@h>;expires=600", "<sip:c@h>;expires=3600"]
    network.clock.advance(121)
    assert len(registering.register("").all("contact")) == 2
    assert registering.register("<sip:d@h>;expires=4294967295").all("contact")[-1] == "<sip:d@h>;expires=86400"


def test_an_expiry_that_is_too_brief(network: Network) -> None:
    refused = phone(network).register("<sip:a@h>;expires=59")
    assert (refused.status, refused.get("min-expires")) == (423, "60")
    assert len(network.trunk.registrar) == 0


def test_the_star_removes_everything_and_stands_alone(network: Network) -> None:
    registering = phone(network)
    registering.register("<sip:a@h>, <sip:b@h>")
    assert registering.register("*").status == 400
    assert registering.register("*, <sip:a@h>", "Expires: 0\r\n").status == 400
    assert registering.register("*", "Expires: 0\r\n").status == 200
    assert registering.register("").all("contact") == []


def test_an_older_request_of_the_same_call_fails_and_changes_nothing(network: Network) -> None:
    registering = phone(network)
    registering.register(cseq=10)
    assert registering.register("<sip:a@192.0.2.10:5070>;expires=0", cseq=10).status == 500
    assert registering.register("").all("contact") != []
    other = phone(network)
    other.call_id = "after a restart"
    assert other.register("<sip:a@192.0.2.10:5070>;expires=0").status == 200
    assert len(network.trunk.registrar) == 0


def test_a_retransmission_gets_the_same_answer(network: Network) -> None:
    registering = phone(network)
    answered = registering.register()
    registering.transmit(registering.last)
    assert registering.expect(200).data == answered.data


def test_contacts_are_compared_as_uris(network: Network) -> None:
    registering = phone(network)
    registering.register("<sip:a@Host.Example;transport=tcp>")
    assert registering.register("<sip:%61@host.example;Transport=TCP>").all("contact") == [
        "<sip:%61@host.example;Transport=TCP>;expires=3600"
    ]


@pytest.mark.parametrize(("address", "status"), [("447700900000", 200), ("+447700900000", 200), ("14155550100", 404)])
def test_who_may_be_registered(network: Network, address: str, status: int) -> None:
    registering = phone(network)
    registering.address = address
    assert registering.register().status == status


def test_wrong_credentials_are_challenged_again(network: Network) -> None:
    registering = phone(network)
    registering.secret_now = "wrong"
    assert registering.register().status == 401


def test_contacts_are_bounded() -> None:
    network = Network(Policy(registrar=RegistrarPolicy(contacts=2, records=1)))
    registering = phone(network)
    assert registering.register("<sip:a@h>, <sip:b@h>").status == 200
    assert registering.register("<sip:c@h>").status == 403
    registering.address = "447700900000"
    assert registering.register("<sip:c@h>").status == 503
    network.clock.advance(3601)
    assert registering.register("<sip:c@h>").status == 200


def test_a_registration_routes_nothing_and_can_be_turned_off() -> None:
    network = Network(Policy(registrar=None))
    refused = network.phone()
    refused.transmit(refused.request("REGISTER", URI))
    assert "REGISTER" not in (refused.expect(405).get("allow") or "REGISTER")
