"""A file that is no YAML is told where, why, and what to write."""

import pytest

from emulator.yaml import Map, Scalar, Unusable, parse

INDENT = "indented otherwise than what stands above; indent what belongs together alike, with blanks"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: x\nb:\n\t- c\n", "f:3:1: a tab; indent with blanks"),
        ("steps:\n  - a: 1\n   - b: 2\n", "f:3:4: " + INDENT),
        ("steps:\n  - a: 1\n    b:\n   - c\n", "f:4:4: " + INDENT),
        ("a: b\n- c\n", "f:2:1: " + INDENT),
        ('a: "x\nb: 1\n', "f:1:4: a quote that is never closed; close it at the end of the text"),
        ("a: {b: 1\nc: 2\n", "f:2:2: the { of line 1 is not closed before this; write a comma between its values, and } behind the last"),
        ("a: [b, c\n", "f:2:1: the [ of line 1 is not closed before this; write a comma between its values, and ] behind the last"),
        ("a: {b: c d: e}", "f:1:11: the { of line 1 is not closed before this; write a comma between its values, and } behind the last"),
        ("name: x: y\n", "f:1:8: a colon in text, or a key where none can be; write text in quotes, and a key on a line of its own"),
        ("a: {to: *}\n", 'f:1:9: * begins no text; write it in quotes, "*"'),
        ("a: &\n", 'f:1:4: & begins no text; write it in quotes, "&"'),
        ("a: %x\n", 'f:1:4: % begins no text; write it in quotes, "%…"'),
        ("a: @home\n", 'f:1:4: @ begins no text; write it in quotes, "@…"'),
        ("a: }\n", 'f:1:4: } begins no text; write it in quotes, "}…"'),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document; write one in a file"),
        ("name: x\nsteps:\n  - no\0te: x\n", "f:3:7: the character U+0000; leave it out"),
        ("a: 1\nfoo\nb: 2\n", "f:2:1: a line without a colon; write `key: value`, and text of several lines in quotes"),
        ("a: 'it's'\n", "f:1:8: more text behind a quote that was closed; write text with quotes in it between quotes of the other kind"),
        ('a: "c:\\x"\n', "f:1:9: no letter or digits that may follow \\; write \\\\, or the text in single quotes"),
        ('a: "\\d"\n', "f:1:6: no letter or digits that may follow \\; write \\\\, or the text in single quotes"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_mending(text: str, said: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse(text, "f")
    assert str(caught.value) == said


def test_a_value_that_is_not_there_stands_at_its_key() -> None:
    """YAML has it where the next thing stands, lines below."""
    node = parse("a:\n\n\nb: ''\nc:\n", "f")
    assert isinstance(node, Map)
    assert [value for _, value in node.items] == [Scalar("", "f:1:1"), Scalar("", "f:4:4", quoted=True), Scalar("", "f:5:1")]
