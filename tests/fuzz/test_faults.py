"""Mutated messages and queries through faults of every kind: no error of ours, nothing that grows, nothing left over."""

import random
from itertools import islice

from emulator.journal.findings import printable
from emulator.scenario.failover import failover, lines
from tests.fuzz.mutate import mutations
from tests.scenario.test_names import Dns
from tests.support.faulty import Faulty
from tests.support.network import MemoryFlow

COUNT = 3000
FAULTS = """
delay 50ms spread=40ms where direction=in probability=10%
delay 1s spread=2s distribution=lognormal where status=4xx probability=20%
drop where called=4420* header.User-Agent=[a-z]+ probability=20%
drop where authenticated=yes nth=3 per=call
duplicate 2 where direction=out probability=10%
retransmit 2 spacing=300ms where status=4xx,5xx probability=10%
reorder 2 where direction=in probability=10%
corrupt 5 where probability=10%
truncate 60 where direction=out probability=5%
wrong to-tag where status=100,407 probability=20%
wrong cseq where direction=in probability=10%
wrong content-length where direction=out probability=10%
wrong branch where probability=10%
wrong call-id where method=OPTIONS
rewrite set.Via=x set.Contact=<sip:a@b> remove=To,From where direction=out probability=5%
reset where method=CANCEL probability=50%
refuse 503 where account=abcd1234 in-dialog=no probability=30%
refuse 488 where in-dialog=yes
redirect self where method=REGISTER
challenge stale where method=INVITE probability=50%
answer 1s status=486 where caller=4477*
hang-up 0s
media loss=50%
down 503 where proxy=us-3-1 transport=TLS flapping.down=3s flapping.up=20s
down drop calls=cut where proxy=us-3-1 transport=TCP from=60s for=9s
""".strip().splitlines()


def test_no_message_breaks_a_fault() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    network = Faulty(*FAULTS, faults_seed=seed)
    sent: list[bytes] = []
    flows = [MemoryFlow(sent.append, transport) for transport in ("UDP", "TCP", "TLS")]
    for number, data in enumerate(islice(mutations(seed), COUNT)):
        for flow in flows:
            flow.open = True
        try:
            network.endpoint().receive(data, flows[number % 3])
            network.clock.advance(0.05)
        except Exception as error:
            raise AssertionError(f"seed {seed}, message {number}: {printable(repr(data), 2000)}") from error
    found = failover(network.journal)
    assert found is not None and lines(found)
    assert sum(one.hits > 0 for one in network.faults.list()) > 15
    assert all(len(one.near_misses) < 30 for one in network.faults.list())
    network.faults.clear()
    network.clock.advance(5000)
    assert network.at_rest and network.idle, f"seed {seed}: something is left over"
    assert network.phone().call().status == 200


def test_no_query_breaks_a_fault() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = Dns(
        "dns dead-first where type=SRV probability=50%", "dns reversed where type=SRV", "dns shuffled where name=sip-us.vonage.com",
        "dns ttl ttl=1 where type=A probability=50%", "dns wrong-address where type=AAAA", "dns truncated where name=*.nexmo.com",
        "dns slow by=1s probability=50%", "dns servfail probability=50%",
    )  # fmt: skip
    query = bytes.fromhex("1234010000010000000000010473697070037573330000010001000029100000000000000000")
    for number in range(COUNT):
        octets = bytearray(query)
        for _ in range(chance.randrange(4)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        replies: list[bytes] = []
        try:
            names.names.handle(bytes(octets[: chance.randrange(len(octets) + 1)]), bool(number % 2), replies.append)
            names.network.clock.advance(0.1)
        except Exception as error:
            raise AssertionError(f"seed {seed}, query {number}: {octets.hex()}") from error
        assert len(replies) <= 1
