"""Scenario files: what is read, and mistakes with their place and their mending."""

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from emulator.annotations import peel
from emulator.scenario import expectation, model, terms
from emulator.scenario.model import MAX_FILE_OCTETS, MAX_RUNS, MAX_STEPS
from emulator.scenario.script import Run, Script, from_json, kind_of, load
from emulator.scenario.script_schema import schema
from emulator.scenario.wording import step_in_words
from emulator.trunk import regions
from emulator.yaml import Unusable, parse

CONTRACT = """\
name: Virginia goes down and the PBX moves to Oregon
given:
  numbers: {"447700900000": {forward: "sip:100@127.0.0.1:5080;timeout=2000, sip:100@127.0.0.1:5090"}}
steps:
  - down: {site: us-3, how: drop}
  - expect: {call: {to: "447700900200", proxy: us-4-1}, within: 40s, as: outbound}
  - expect: {media: outbound, echoed: true, dtmf: "1234#"}
  - up: {site: us-3}
  - call: {number: "447700900000", from: "14155550100", as: inbound}
  - expect: {attempts: inbound, codes: [503, 200], within: 10s}
  - hangup: inbound
  - never: {call: {proxy: us-3-2}}
"""


def script(text: str, **settings: str) -> Script:
    return Script(parse(text, "story.yaml", "scenario"), settings)


def one(text: str, **settings: str) -> Run:
    (run,) = script(text, **settings).runs()
    return run


def problems(text: str, **settings: str) -> list[str]:
    with pytest.raises(Unusable) as caught:
        script(text, **settings).runs()
    return str(caught.value).splitlines()


def test_the_example_of_the_contract() -> None:
    run = one(CONTRACT)
    down, call, media, up, ring, attempts, hangup, never = run.scenario.steps
    assert isinstance(down, model.DownStep) and down.down.names == ["us-3"] and down.down.how == "drop"
    assert isinstance(call, model.ExpectStep) and isinstance(call.expect, expectation.ExpectCall)
    assert (call.expect.call.to, call.expect.call.proxies, call.expect.within, call.expect.as_) == (
        "447700900200",
        ("us-4-1",),
        40.0,
        "outbound",
    )
    assert isinstance(media, model.ExpectStep) and isinstance(media.expect, expectation.ExpectMedia) and media.expect.dtmf == "1234#"
    assert isinstance(up, model.UpStep) and isinstance(hangup, model.HangupStep) and hangup.hangup.call == "inbound"
    assert isinstance(ring, model.CallStep) and ring.call.from_ == "14155550100"
    assert isinstance(attempts, model.ExpectStep) and isinstance(attempts.expect, expectation.ExpectAttempts)
    assert attempts.expect.codes == ("503", "200")
    assert isinstance(never, model.NeverStep) and isinstance(never.never, expectation.NeverCall)
    assert run.place(("steps", "5")) == "story.yaml:10"
    assert [step_in_words(step) for step in run.scenario.steps] == [
        "us-3 down (drop)",
        "call to 447700900200 at us-4-1 (outbound)",
        "media of outbound: echoed, digits 1234#",
        "us-3 up",
        "call 447700900000 from 14155550100 (inbound)",
        "attempts of inbound: 503 then 200",
        "hang up inbound",
        "never call at us-3-2",
    ]


def test_short_forms_mean_the_long_ones() -> None:
    story = (
        "name: x\nsteps:\n  - down: us-3\n  - wait: 1.5s\n  - run: pbx reload\n"
        "  - wait: {event: {kind: call.ended}}\n  - expect: {event: call.ended}\n"
    )
    down, wait, run, _, event = one(story).scenario.steps
    assert isinstance(down, model.DownStep) and down.down.names == ["us-3"]
    assert isinstance(wait, model.WaitStep) and wait.wait.for_ == 1.5
    assert isinstance(run, model.RunStep) and run.run.command == ("pbx reload",)
    assert (
        isinstance(event, model.ExpectStep)
        and isinstance(event.expect, expectation.ExpectEvent)
        and event.expect.event.kind == "call.ended"
    )


def step(text: str) -> str:
    return f"name: x\nsteps:\n  - expect: {{call: {{}}, as: outbound}}\n  - call: {{number: '447700900000', as: inbound}}\n  - {text}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dwon: us-3", ":5:5: unknown step 'dwon'; did you mean 'down'?"),
        ("down: sip-us-33.vonage.com", ":5:11: name 'us-33' is unknown; did you mean 'us-3'?"),
        ("down: us-33", ":5:11: name 'us-33' is unknown; did you mean 'us-3'?"),
        ("down: {site: us-5}", ":5:18: site 'us-5' is none of us-3, us-4, eu-3, eu-4, ap-3, ap-4; did you mean 'us-4'?"),
        ("down: {how: drop}", ":5:11: nothing is named; write `site: us-3`, `proxy: …`, `region: …` or `name: all`"),
        ("down: {site: us-3, how: dorp}", ":5:29: how 'dorp' is none of drop, refuse, 503, reset; did you mean 'drop'?"),
        ("down: {site: us-3, hwo: drop}", ":5:24: unknown key 'hwo'; did you mean 'how'?"),
        ("hangup", ":5:5: `hangup` alone; write `hangup: …`"),
        ("{down: us-3, up: us-4}", ":5:18: down and up in one step; write one step each"),
        ("hangup: outbuond", ":5:13: no call is called 'outbuond' yet; did you mean 'outbound'?"),
        ("hangup: {call: other}", ":5:20: no call is called 'other' yet; known here: inbound, outbound"),
        ("cancel: outbound", ":5:13: 'outbound' is a call; name an inbound call"),
        ("expect: {attempts: outbound}", ":5:24: 'outbound' is a call; name an inbound call"),
        ("expect: {media: outbound}", ":5:13: nothing is expected of them; write `echoed: true`, `dtmf: …`, `codec: …`, `loss: …`"),
        ("expect: {cal: {}}", ":5:14: unknown expectation 'cal'; did you mean 'call'?"),
        ("expect: {}", ":5:13: no expectation; write one of call, media, attempts, "),
        ("expect: {call: {}, media: outbound}", ":5:24: call and media in one expectation; write one expectation each"),
        ("expect: {call: {statsu: 503}}", ":5:21: unknown key 'statsu'; did you mean 'status'?"),
        ("expect: {call: {status: 5003}}", ":5:29: status '5003': write a status such as 503, or a class of them such as 5xx"),
        ("expect: {call: {proxy: us-3-1, region: eu}}", ":5:28: us-3-1 is not in eu; leave one out"),
        ("expect: {call: {site: us-3, proxy: us-4-1}}", ":5:40: us-4-1 is not at us-3; leave one out"),
        ("expect: {call: {proxy: us-3-1, tried: [us-3-1, us-4-1]}}", ":5:43: ends with us-4-1, where the call is not to be"),
        ("expect: {call: {}, within: soon}", ":5:32: within 'soon' is no time; write seconds, or text such as 500ms, 10s, 2m"),
        ("expect: {call: {}, within: 10m}", ":5:32: 600 s is longer than the whole scenario may take; set `deadline` above"),
        ("expect: {call: {}, as: inbound}", ":5:28: 'inbound' is the name of an inbound call already; choose another name"),
        ("expect: {call: {}, as: all}", ":5:28: 'all' has a meaning of its own; choose another name"),
        ("expect: {call: {}, as: 9}", ":5:28: as '9': write a name of letters, digits, blanks, - and _, with a letter first"),
        ("expect: {call: {}, since: inbuond}", ":5:31: no step is called 'inbuond' yet; did you mean 'inbound'?"),
        ("expect: {call: {}, count: 0}", ":5:31: count '0': "),
        ("expect: {media: outbound, loss: 500%}", ":5:37: loss '500%' is no share; write a fraction from 0 to 1, or text such as 5%"),
        ("expect: {media: outbound, echoed: maybe}", ":5:39: echoed 'maybe' is neither true nor false"),
        ("expect: {media: outbound, codec: G711}", ":5:38: codec 'G711' is none of PCMA, PCMU, G722, G729, iLBC, speex"),
        ("expect: {attempts: inbound, codes: [503, busy]}", ":5:46: codes 'busy': write a status, or timeout, "),
        ("expect: {attempts: inbound, gaps: [5s..1s]}", ":5:40: '5s..1s' is no time; write 2s, or bounds such as 1.8s..2.5s"),
        (
            "expect: {media: inbound, echoed: true}",
            ":5:38: the caller of 'inbound' plays tone, and echoes nothing; write `play: echo` in its call, or `packets: 50` here",
        ),
        ("expect: {media: outbound, jitter: 20}", ":5:39: jitter '20': write a time such as 500ms, 10s, 2m from 0 to 1 s"),
        ("never: {event: call.refreshd}", ":5:20: no event 'call.refreshd'; did you mean 'call.refreshed'?"),
        ("wait: {event: {kind: call.end}}", ":5:26: no event 'call.end'; did you mean 'call.ended'?"),
        ("expect: {finding: dtmf.nomarker}", ":5:23: no finding 'dtmf.nomarker'; did you mean 'dtmf.no-marker'?"),
        ("expect: {finding: 'x.*'}", ":5:23: no finding 'x.*'; `vsim explain` lists them"),
        ("expect: {finding: {severity: erorr}}", ":5:34: severity 'erorr' is none of error, warning, note; did you mean 'error'?"),
        ("expect: {finding: {code: rtp.dtx, severity: error}}", ":5:49: the severity of rtp.dtx is note; write that, or leave one out"),
        ("never: {finding: {code: 'rtp.*', severity: error}}", ":5:48: the severity of rtp.* is warning or note; write that, or"),
        ("expect: {order: [{call: {}}]}", ":5:21: "),
        ("expect: {order: [{call: {}}, {media: outbound}]}", ":5:35: unknown expectation 'media'"),
        ("never: {media: outbound}", ":5:13: unknown kind of happening 'media'"),
        ("never: {call: {}, within: 5s}", ":5:23: unknown key 'within'"),
        ("never: {call: {}, for: 10m}", ":5:28: 600 s is longer than the whole scenario may take"),
        ("wait: {}", ":5:11: nothing to wait for; write one of for, event, listening"),
        ("wait: {for: 1s, listening: '127.0.0.1:1'}", ":5:11: for and listening to wait for; write one of for, event, listening"),
        ("wait: {listening: here}", ":5:23: listening 'here': write an address and a port, such as 127.0.0.1:5080"),
        ("wait: {listening: '127.0.0.1:70000'}", ":5:23: no port; write one from 1 to 65535"),
        ("wait: 119s\n  - wait: 2s", ":3:3: its waits alone take 121 s; set `deadline` above that (it is 120 s)"),
        ("run: {}", ":5:10: command is missing; write `command: …`"),
        ("clear: slow", ":5:12: no fault is called 'slow' yet; give a fault this name with `as: slow` in a step before"),
        ("call: {number: 0123}", ":5:20: number '0123': write digits only, country code first"),
        ("call: {number: '447700900000', forward: 'sip:1@a.example;timeout=500'}", ":5:45: forward, column 17: "),
        ("call: {number: '447700900000', proxy: us-3-1, region: eu}", ":5:59: us-3-1 is not in eu; leave one out"),
        ("dtmf: {call: outbound, digits: 12E}", ":5:36: digits '12E': write 0 to 9, *, #, A to D; a comma is half a second"),
        ("use: nothing", ":5:10: no template 'nothing'; write it under `templates:`"),
        ("note: '{{who}}'", ":5:11: no variable 'who'; write it under `variables:`"),
        ("expect: {call: {}}\n    within: 5s", ":6:5: unknown key 'within'; it belongs inside expect, one level deeper"),
        ("expect:\n      call:\n      to: '1'", ":7:7: unknown key 'to'; it belongs inside call, one level deeper"),
        ("expect:\n    call: {}", ":6:5: nothing stands below expect; indent call further"),
        ("call: {number: '447700900000'}\n    talk: 5s", ":6:5: unknown key 'talk'; it belongs inside call, one level deeper"),
        ("expect: {call: {to: '1', within: 5s}}", ":5:30: unknown key 'within'; it belongs beside call, not inside it"),
        ("fault: {refuse: 503, as: slow}", ":5:26: unknown key 'as'; it belongs beside fault, not inside it"),
        ("fault: {refuse: {status: 503, times: 2}}", ":5:35: unknown key 'times'; it belongs beside refuse, not inside it"),
        ("fault: {delay: 1s, spread: 1s}", ":5:24: unknown key 'spread'; it belongs inside delay, one level deeper"),
        ("expect: {call: {number: '1'}}", ":5:21: unknown key 'number'; here it is called 'to'"),
        ("call: {number: '447700900000', digits: 1}", ":5:36: unknown key 'digits'; here it is called 'dtmf'"),
        ("call: {number: '12345'}", ":5:20: number '12345': write digits only, country code first, 7 to 15 of them"),
        ("call: {number: '447700900000', from: Al <1>}", ":5:42: from 'Al <1>': write at most 40 digits, letters, or any of + * # . _ -"),
        ("call: {number: '447700900000', play: hi.wav}", ":5:42: play 'hi.wav': a file; name it in given.config.media.prompts, "),
        ("call: {number: '447700900000', headers: {From: x}}", ":5:52: header From is the trunk's own"),
        ("expect: {order: {call: {}}}", ":5:21: "),
        ("expect: [{call: {}}]", ":5:13: a list; write one expectation, without - or [ ]"),
        ("expect: {call: {to: {{number}}}}", ":5:25: a key that is not plain text; write a placeholder in quotes"),
    ],
)  # fmt: skip
def test_mistakes_in_steps(text: str, problem: str) -> None:
    found = problems(step(text))
    assert len(found) == 1 and found[0].startswith("story.yaml" + problem), found


def test_every_mistake_of_a_file_is_told_at_once_in_the_order_of_its_lines() -> None:
    text = """\
deadline: soon
given:
  numbers: {"447700900000": {forward: "sip:"}}
  faults: [refuse 99, drop where site=us-9, {drop: true, where: {site: us-3}, times: 0}]
  config: {layuot: ports, media: {ports: 9-5}}
variables: {a: [x]}
steps:
  - expect: {call: {to: "{{a}}", proxy: us-9-1, site: us-3}, as: one}
  - dwon: us-3
  - hangup: one
  - hangup: two
  - note: "{{b}}"
  - use: gone
  - down: {site: us-3, as: one}
  - fault: {delay: 1s, where: {site: us-3, region: eu}, probability: 2}
"""
    assert [line.removeprefix("story.yaml:").partition(": ")[::2] for line in problems(text)] == [
        ("1:1", "name is missing; write `name: …`"),
        ("1:11", "deadline 'soon' is no time; write seconds, or text such as 500ms, 10s, 2m"),
        ("3:39", "forward, column 4: no host; write sip:USER@HOST, or sip:HOST to have the dialled number as the user"),
        ("4:12", "status '99': write a code from 300 to 699 such as 503"),
        ("4:23", "no site 'us-9'; did you mean 'us-4'?"),
        ("4:86", "times '0': write a whole number from 1 to 1000000"),
        ("5:12", "unknown key 'layuot'; did you mean 'layout'?"),
        ("5:42", "media.ports '9-5'; write FIRST-LAST between 1024 and 65535"),
        ("6:16", "a is not a single value; write text"),
        ("8:41", "proxy 'us-9-1' is unknown; did you mean 'us-4-1'?"),
        ("9:5", "unknown step 'dwon'; did you mean 'down'?"),
        ("12:11", "no variable 'b'; known here: a"),
        ("13:10", "no template 'gone'; write it under `templates:`"),
        ("14:28", "'one' is the name of a call already; choose another name"),
        ("15:31", "no proxy is in all of these places; write one of proxy, site and region"),
        ("15:70", "probability '2' is no share; write a fraction from 0 to 1, or text such as 5%"),
    ]


def test_what_could_not_be_read_may_have_had_any_of_its_names() -> None:
    found = problems("name: x\nsteps:\n  - expect: {cal: {}, as: one}\n  - hangup: one\n  - hangup: two")
    assert [line.partition(": ")[2] for line in found] == [
        "unknown expectation 'cal'; did you mean 'call'?",
        "no call is called 'two' yet; give a call this name with `as: two` in a step before",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("steps: [note: x]", ":1:1: name is missing; write `name: …`"),
        ("name: x", ":1:1: steps is missing; write `steps: …`"),
        ("name: x\nsteps: []", ":2:8: "),
        ("name: x\nstesp: []\nsteps: [note: x]", ":2:1: unknown key 'stesp'; did you mean 'steps'?"),
        ("- a", ":1:1: not a mapping; write `name: …` and `steps: …`"),
        ("name: x\ngiven: {numbers: {'0': {}}}\nsteps: [note: x]", ":2:19: numbers '0': write digits only, country code first"),
        ("name: x\ngiven: {numbers: {'447700900000': {forward: 'sip:'}}}\nsteps: [note: x]", ":2:45: forward, column 4: "),
        ("name: x\ngiven: {config: {layuot: ports}}\nsteps: [note: x]", ":2:18: unknown key 'layuot'; did you mean 'layout'?"),
        ("name: x\ngiven: {accounts: {key: a}}\nsteps: [note: x]", ":2:19: secret is missing; write `secret: …`"),
        ("name: x\ngiven: {ports: [PBX]}\nsteps: [note: x]", ":2:17: ports 'PBX': write a word in lower case"),
        ("name: x\nnever: [{call: {}, for: 5s}]\nsteps: [note: x]", ":2:25: `for` waits in a step"),
        ("name: x\nnever: [{ended: one}]\nsteps: [note: x]", ":2:17: no call is called 'one' yet"),
        ("name: x\nvariables: [a]\nsteps: [note: x]", ":2:12: variables is not a mapping; write `name: …` lines"),
        ("name: x\nvariables: {9: x}\nsteps: [note: x]", ":2:13: '9' is no name; write letters, digits, - and _"),
        ("name: x\nvariables: {a: [x]}\nsteps: [note: x]", ":2:16: a is not a single value; write text"),
        ("name: x\nvariables: {a: 1, a: 2}\nsteps: [note: x]", ":2:19: a stands here a second time; remove one"),
        ("name: x\nvariables: {a: '{{b}}', b: 1}\nsteps: [note: x]", ":2:16: no variable 'b'"),
        ("name: x\nmatrix: {a: []}\nsteps: [note: x]", ":2:13: a is no list of single values; write [a, b]"),
        ("name: x\nmatrix: [a]\nsteps: [note: x]", ":2:10: a combination is a mapping of single values"),
        ("name: x\nmatrix: []\nsteps: [note: x]", ":2:9: no combination; write at least one, or leave matrix out"),
        ("name: x\nmatrix: {a: [1,2,3,4,5,6,7], b: [1,2,3,4,5,6,7], c: [1,2,3,4,5,6]}\nsteps: [note: x]", ":2:9: 294 combi"),
        ("name: x\ntemplates: {t: x}\nsteps: [use: t]", ":2:16: template 't' is no list of steps; write `- step` lines"),
        ("name: x\ntemplates: {t: [use: t]}\nsteps: [use: t]", ":2:22: template 't' is used within t; write the steps out"),
        ("name: x\ntemplates: {t: [note: x]}\nsteps: [use: {tmplate: t}]", ":3:15: 'tmplate' does not belong here; write {template: "),
        ("name: x\ndeadline: never\nsteps: [note: x]", ":2:11: deadline 'never' is no time"),
        ("name: x\ndeadline: 0\nsteps: [note: x]", ":2:11: deadline '0': write a time such as 500ms, 10s, 2m of at least 0.1 s"),
        ("name: x\nseed: -1\nsteps: [note: x]", ":2:7: seed '-1': write a whole number from 0 to 9223372036854775807"),
        ("name: &x y\nsteps: [note: *x]", ":1:7: an anchor; write the value out"),
    ],
)  # fmt: skip
def test_mistakes_above_the_steps(text: str, problem: str) -> None:
    found = problems(text)
    assert found[0].startswith("story.yaml" + problem), found


def test_a_caller_that_echoes_may_be_expected_to() -> None:
    call, expected = "call: {{number: '447700900000', as: i{}}}", "expect: {media: i, echoed: true}"
    story = f"name: x\nsteps:\n  - {call.format(', play: echo')}\n  - {expected}\n"
    assert one(story)
    for fault in ("fault: media play=echo", "fault: {media: {play: echo}}"):
        assert one(f"name: x\nsteps:\n  - {fault}\n  - {call.format('')}\n  - {expected}\n")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "name: x\nsteps:\n  - hangup: a\n  - expect: {call: {}, as: one}\n  - hangup: on\n  - expect: {call: {site: us-3, proxy: eu-3-1}}\n"
    )
    assert [line.split(": ")[0] for line in found] == ["story.yaml:3:13", "story.yaml:5:13", "story.yaml:6:40"]


def test_numbers_need_no_quotes_and_a_default_is_never_too_long() -> None:
    run = one("name: x\ndeadline: 2s\nsteps:\n  - expect: {call: {to: 447700900200, status: 503}}\n")
    (expected,) = run.scenario.steps
    assert isinstance(expected, model.ExpectStep) and isinstance(expected.expect, expectation.ExpectCall)
    assert (expected.expect.call.to, expected.expect.call.status) == ("447700900200", ("503",))


# -- variables, matrix, templates ---------------------------------------------------------------------------------


def test_variables_stand_anywhere_and_may_be_set_from_outside() -> None:
    text = (
        "name: '{{who}} calls'\nvariables: {who: nobody, number: '4477009002{{tail}}', tail: '00'}\n"
        "steps: [{expect: {call: {to: '{{ number }}'}}}]\n"
    )
    assert problems(text) == ["story.yaml:2:34: no variable 'tail'; known here: who"]
    text = text.replace("number: '4477009002{{tail}}', tail: '00'", "tail: '00', number: '4477009002{{tail}}'")
    assert one(text).scenario.name == "nobody calls"
    run = one(text, who="somebody", tail="99")
    assert run.scenario.name == "somebody calls" and run.variables == {"who": "somebody", "tail": "99", "number": "447700900299"}
    assert problems(text, hwo="x") == ["--set hwo: no such variable in story.yaml; did you mean 'who'?"]
    text = "name: x\ngiven: {ports: [pbx]}\nsteps: [note: '{{port.pbx}}']\n"
    assert problems(text, pbx="5080") == ["--set pbx: no such variable in story.yaml; known here: port.pbx"]


def test_a_matrix_makes_a_run_for_each_combination() -> None:
    made = script("name: '{{codec}} {{transport}}'\nmatrix: {codec: [PCMA, PCMU], transport: [UDP, TLS]}\nsteps: [note: x]\n")
    assert [run.scenario.name for run in made.runs()] == ["PCMA UDP", "PCMA TLS", "PCMU UDP", "PCMU TLS"]
    made = script("name: '{{a}}{{b}}'\nmatrix: [{a: 1, b: 2}, {a: 3, b: 4}]\nsteps: [note: x]\n")
    assert [run.scenario.name for run in made.runs()] == ["12", "34"]
    made = script("name: '{{a}}'\nmatrix: {a: [1, 2]}\nsteps: [note: x]\n", a="9")
    assert {run.scenario.name for run in made.runs()} == {"9"}


def test_what_is_set_narrows_a_matrix() -> None:
    text = "name: '{{codec}} {{transport}}'\nmatrix: {codec: [PCMA, PCMU], transport: [UDP, TLS]}\nsteps: [note: x]\n"
    assert [run.scenario.name for run in script(text, codec="PCMU").runs()] == ["PCMU UDP", "PCMU TLS"]
    assert [run.scenario.name for run in script(text, codec="PCMU", transport="TLS").runs()] == ["PCMU TLS"]
    assert [run.scenario.name for run in script(text, codec="G722").runs()] == ["G722 UDP", "G722 TLS"]
    text = "name: '{{a}}{{b}}'\nmatrix: [{a: 1, b: 2}, {a: 3, b: 4}]\nsteps: [note: x]\n"
    assert [run.scenario.name for run in script(text, a="3").runs()] == ["34"]
    assert [run.scenario.name for run in script(text, a="5").runs()] == ["52", "54"]


def test_templates_bring_steps() -> None:
    run = one(
        "name: x\ntemplates:\n  good call:\n    - expect: {call: {proxy: '{{proxy}}'}, as: '{{name}}'}\n"
        "    - expect: {media: '{{name}}', echoed: true}\n"
        "  two: [{use: {template: good call, with: {proxy: us-4-1, name: b}}}]\n"
        "steps:\n  - use: {template: good call, with: {proxy: us-3-1, name: a}}\n  - use: two\n  - hangup: b\n"
    )
    assert [step_in_words(step) for step in run.scenario.steps] == [
        "call at us-3-1 (a)", "media of a: echoed", "call at us-4-1 (b)", "media of b: echoed", "hang up b",
    ]  # fmt: skip
    assert [run.place(("steps", str(number))).rpartition(":")[2] for number in range(5)] == ["4", "5", "4", "5", "10"]


def test_ports_are_chosen_when_it_runs() -> None:
    made = script(
        "name: x\ngiven:\n  ports: [pbx]\n  numbers: {'447700900000': {forward: 'sip:1@127.0.0.1:{{port.pbx}}'}}\nsteps: [note: x]\n"
    )
    assert made.ports == ("pbx",)
    run = made.run({}, {"pbx": "40001"})
    assert run.scenario.given.numbers["447700900000"].forward == "sip:1@127.0.0.1:40001"
    assert made.runs()[0].variables == {}


# -- bounds -------------------------------------------------------------------------------------------------------


def test_everything_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("name: x\nsteps: [note: x]\n" + "#" * MAX_FILE_OCTETS)
    with pytest.raises(Unusable, match=f"a scenario has at most {MAX_FILE_OCTETS}"):
        load(str(tmp_path / "big.yaml"))
    many = "name: x\nsteps:\n" + "  - note: x\n" * (MAX_STEPS + 1)
    assert f"more than {MAX_STEPS} steps" in problems(many)[0]
    doubling = "name: x\ntemplates: {a: [" + "note: x, " * 50 + "], b: [" + "use: a, " * 50 + "]}\nsteps: [" + "use: b, " * 50 + "]\n"
    assert f"more than {MAX_STEPS} steps" in "\n".join(problems(doubling))
    growing = (
        "name: x\nvariables: {a0: '"
        + "x" * 1000
        + "', "
        + ", ".join(f"a{n}: '{{{{a{n - 1}}}}}{{{{a{n - 1}}}}}'" for n in range(1, 30))
        + "}\nsteps: [note: x]\n"
    )
    assert "characters once its placeholders are filled in" in problems(growing)[0]
    assert MAX_RUNS < 1000


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no such file or directory"):
        load(str(tmp_path / "none.yaml"))


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_raises_anything_but_unusable(first: str, second: str) -> None:
    for text in (first, f"name: x\nsteps:\n  - {first}: {second}\n", f"name: x\nsteps: [expect: {{call: {{{first}}}}}]\n{second}"):
        try:
            script(text).runs()
        except Unusable:
            pass


# -- JSON, schema -------------------------------------------------------------------------------------------------


def test_a_run_goes_through_json_unchanged() -> None:
    run = one(CONTRACT)
    assert from_json(json.loads(json.dumps(run.value()))).scenario == run.scenario
    typed = {
        "name": "x",
        "deadline": 5,
        "steps": [{"expect": {"call": {"to": 447700900200, "acked": True, "headers": {"X": None}}, "within": 1.5}}],
    }
    (expected,) = from_json(typed).scenario.steps
    assert isinstance(expected, model.ExpectStep) and isinstance(expected.expect, expectation.ExpectCall)
    assert expected.expect.call.acked is True and expected.expect.call.headers == {"X": None} and expected.expect.within == 1.5


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "the document: not a mapping"), ({"name": "x", "steps": [{"dwon": 1}]}, "steps.0.dwon: unknown step 'dwon'"),
        ({"name": "x", "steps": [{"wait": "x"}]}, "steps.0.wait: for 'x' is no time"),
        ({"name": "x", "matrix": {"a": [1, 2]}, "steps": [{"note": "x"}]}, "matrix: 2 runs; send them one by one, or use `vsim run`"),
    ],
)  # fmt: skip
def test_json_that_is_no_scenario(value: Any, problem: str) -> None:
    with pytest.raises(Unusable) as caught:
        from_json(value)
    assert str(caught.value).startswith(problem)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def test_json_of_any_depth() -> None:
    with pytest.raises(Unusable, match="nested too deeply"):
        from_json({"name": nested(100)})


def test_scenario_files_are_told_from_config_files() -> None:
    for text, kind in (
        (CONTRACT, "scenario"), ("layout: ports\n", "config"), ("", "config"), ("name: x\ngiven: {}\n", "scenario"),
        ("numbers: {}\nseed: 1", "config"),
        ("seed: 1\nstesp: []\nname: x", "scenario"),
    ):  # fmt: skip
        assert kind_of(parse(text, "x")) == kind, text


VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_one_and_takes_what_the_reader_takes() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    load = YAML(typ="safe").load
    for text in (
        CONTRACT,
        step("expect: {call: {transport: [UDP, TLS], status: [503, 4xx], acked: true}, count: 2}"),
        step("wait: 5"), step("wait: {event: call.ended, within: 500ms}"), step("run: [a, b]"),
        step("expect: {media: outbound, loss: 5%, mos: 4}"),
        step("fault: refuse 503 where site=us-3"), step("fault: {refuse: 503}\n    as: busy"), step("up: {}"), step("down: us-3"),
        step("down: {site: us-3, how: 503}"), step("fault: {media: one-way}"), step("wait: {for: 1.5 s}"), step("wait: '{{pause}}'"),
        step("down: sip-us-3.vonage.com"), step("up: {proxy: [us-3-2, sip-us-3-1.nexmo.com]}"),
        "name: x\nmatrix: {codec: [PCMA]}\nvariables: {n: 5}\ntemplates: {t: [note: x]}\n"
        "steps: [use: t, use: {template: t, with: {a: 1}}, expect: {call: {codec: '{{codec}}'}}]\n",
        "name: x\ngiven: {config: {media: {silence_timeout: 5m}}, accounts: [{key: a, secret: b}], ports: [pbx]}\nsteps: [note: x]\n",
    ):  # fmt: skip
        assert not list(VALIDATOR.iter_errors(load(text))), text


@pytest.mark.parametrize(
    "text",
    [
        "dwon: us-3", "expect: {cal: {}}", "down: {site: us-9}", "expect: {call: {echoed: true}}", "wait: {fro: 5}", "wait: 3 seconds",
        "wait: {for: 1m30s}", "fault: {redirect: {to: [us-3-1], status: yes}}", "fault: {corrupt: us-3}",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    assert list(VALIDATOR.iter_errors(YAML(typ="safe").load(step(text)))) and problems(step(text))


def described(kind: Any) -> list[str]:
    """Keys of a model without a description."""
    return [name for name, part in kind["properties"].items() if not part.get("description") and "$ref" not in part]


def test_every_key_is_described() -> None:
    defs = schema()["$defs"]
    parts = {name: part["anyOf"][0] if "anyOf" in part and "properties" in part["anyOf"][0] else part for name, part in defs.items()}
    lacking = {name: described(part) for name, part in parts.items() if "properties" in part and described(part)}
    others = {name: keys for name, keys in lacking.items() if not name.endswith("Step") and not name.startswith("fault.") and name != "Use"}
    assert not others


def test_the_names_of_places_are_those_of_the_table() -> None:
    assert get_args(peel(terms.ProxyName)[0]) == regions.PROXIES
    assert get_args(peel(terms.SiteName)[0]) == tuple(regions.SITES) and get_args(peel(terms.RegionName)[0]) == regions.REGIONS
    assert set(get_args(peel(terms.PlaceName)[0])) == {"all", *regions.REGIONS, *regions.SITES, *regions.PROXIES}


def test_hosts_are_names_of_places_too() -> None:
    down, up, fault, call, ring = one(
        "name: x\nsteps:\n  - down: sip-us-3.vonage.com\n  - up: {proxy: [sip-us-3-1.nexmo.com, us-3-2]}\n"
        "  - fault: {refuse: 503, where: {region: sip-eu.vonage.com}}\n"
        "  - expect: {call: {region: sip-us.vonage.com, tried: [SIP-us-3-1.vonage.com, sip-us-3-?.nexmo.com, sip-*.vonage.com, us-4-*]}}\n"
        "  - call: {number: 447700900000, proxy: sip-eu-3-1.vonage.com}\n"
    ).scenario.steps
    assert isinstance(down, model.DownStep) and down.down.names == ["us-3"]
    assert isinstance(up, model.UpStep) and up.up.names == ["us-3-1", "us-3-2"]
    assert step_in_words(fault) == "fault refuse 503 where region=eu"
    assert isinstance(call, model.ExpectStep) and isinstance(call.expect, expectation.ExpectCall)
    assert call.expect.call.region == ("us",) and call.expect.call.tried == ("us-3-1", "us-3-?", "*", "us-4-*")
    assert isinstance(ring, model.CallStep) and ring.call.proxy == "eu-3-1"


def test_a_place_means_its_proxies() -> None:
    assert terms.Place().proxies == regions.PROXIES and not terms.Place().somewhere
    assert terms.Place(site=("us-3", "eu-4")).proxies == ("us-3-1", "us-3-2", "eu-4-1", "eu-4-2")
    assert terms.Place(region=("us",), proxy=("us-4-1", "eu-3-1")).proxies == ("us-4-1",)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("us-?-1", "us-3-1", True),
        ("[::1]:*", "[::1]:5060", True),
        ("A*c", "abC", True),
        ("a.c", "abc", False),
        ("*" * 200 + "x", "y" * 5000, False),
    ],
)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert terms.matches(pattern, text) is fits
