"""`vsim check`, apart from any emulator."""

from pathlib import Path

from click.testing import CliRunner

from emulator.cli.check import check


def test_what_is_odd_about_a_forward_list_is_a_warning_and_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "vsim.yaml"
    path.write_text('numbers: {"447700900000": {forward: "1234@pbx.example.net;media=srtp"}}\n')
    done = CliRunner().invoke(check, [str(path)])
    assert done.exit_code == 0 and done.stdout == f"{path}: good\n"
    lines = done.stderr.splitlines()
    assert lines and all(line.startswith(f"{path}: warning: numbers.447700900000.forward, column ") for line in lines), lines


def test_mistakes_are_told_without_the_warnings_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "vsim.yaml"
    path.write_text('numbers: {"447700900000": {forward: "1234@pbx.example.net, tel:+44"}}\n')
    done = CliRunner().invoke(check, [str(path)])
    assert done.exit_code == 2 and done.stdout == "" and "column 23: " in done.stderr and "warning" not in done.stderr
