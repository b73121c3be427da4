"""`vsim run`: scenarios, each on an emulator of its own, and what came of them."""

import glob
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.config import Unusable
from emulator.quantities import duration

if TYPE_CHECKING:
    from emulator.scenario.script import Script

_MOST_PARALLEL = 64


class _WithProgram(click.Command):
    """A command whose arguments end with `-- PROGRAM…`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["program"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND…]"]


def _seed(ctx: click.Context, param: click.Parameter, value: int | None) -> int | None:
    if value is not None and not 0 <= value < 1 << 63:
        raise click.BadParameter(f"{value} is too large, or below 0; write a whole number below 2^63", ctx, param)
    return value


@click.command(cls=_WithProgram)
@click.argument("files", nargs=-1, metavar="FILE|DIR|PATTERN…")
@click.option("--url", metavar="URL", help="Run on this emulator instead of one of the command's own.")
@click.option(
    "--seed", type=int, metavar="N", callback=_seed, help="Every random choice follows from it.  [default: the file's, or a new one]"
)
@click.option("--repeat", metavar="N", default=1, show_default=True, type=click.IntRange(1, 1000), help="Run each so many times.")
@click.option("--parallel", metavar="N", default=1, show_default=True, type=click.IntRange(1, _MOST_PARALLEL), help="Run so many at once.")
@click.option("--fail-fast", is_flag=True, help="Begin no other run once one has failed.")
@click.option("--keep-going", is_flag=True, help="Go on with a story after a step that failed.")
@click.option(
    "--patience",
    default="0s",
    metavar="TIME",
    show_default=True,
    help="How long COMMAND may take to end by itself once a story is over; its exit code counts.",
)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A variable of the files; port.NAME sets a port.")
@click.option("--junit", metavar="FILE", help="Write a JUnit report; - is standard output.")
@click.option("--json", "json_file", metavar="FILE", help="Write everything as JSON; - is standard output.")
@click.option("--pcap", metavar="DIR", help="Write captures of the calls of runs that fail there.")
@click.option("--capture-media", is_flag=True, help="With --pcap: their RTP and RTCP as well.")
@click.option("--decrypt", is_flag=True, help="With --pcap: media as RTP, where it was SRTP.")
@click.pass_context
def run(
    ctx: click.Context, files: tuple[str, ...], url: str | None, seed: int | None, repeat: int, parallel: int, fail_fast: bool,
    keep_going: bool, patience: str, settings: tuple[str, ...], junit: str | None, json_file: str | None, pcap: str | None,
    capture_media: bool, decrypt: bool,
) -> None:  # fmt: skip
    """Run scenarios, each on an emulator of its own, and say what came of them.

    COMMAND is the program under test: it is started with the variables of `vsim env` when the scenario has begun, and ended when that is
    over. Exit codes: 0 all passed; else that of the first run that failed: 1 signalling, 2 a file is wrong, 3 media, 4 timed out or
    emulator not reachable, 5 a command failed.
    """
    program = ctx.meta.get("program", ())
    if not files:
        raise click.UsageError("nothing to run; name a FILE, a folder, or a pattern such as 'scenarios/*.yaml'")
    if url is not None and parallel > 1:
        raise click.UsageError("--parallel with --url: one emulator runs one scenario at a time")
    if url is not None and seed is not None:
        raise click.UsageError("--seed with --url: the seed of an emulator that runs can't be changed; start it with --seed")
    for flag, given in (("--capture-media", capture_media), ("--decrypt", decrypt)):
        if given and pcap is None:
            raise click.UsageError(f"{flag} is of captures; write --pcap DIR as well")
    if url is not None and capture_media:
        raise click.UsageError("--capture-media with --url: an emulator that runs keeps media or not; start it with --capture-media")
    if json_file == junit == "-":
        raise click.UsageError("--json and --junit can't both go to standard output")
    if (seconds := duration(patience)) is None:
        raise Unusable("--patience", f"{patience!r} is no time; write 5s, 500ms or 2m")
    if "program" in ctx.meta:
        _can_be_run(program)
    scripts = _load(list(_found(files)), dict(_settings(settings)))
    from emulator.cli.pcap import prepare
    from emulator.cli.session import Reports, Session, jobs

    reports = Reports(junit, json_file)
    reports.check()
    if pcap is not None:
        prepare(pcap)
    session = Session(
        jobs(scripts, repeat, seed, url, program), reports, url, program, keep_going, fail_fast, parallel, seconds, pcap, capture_media,
        decrypt,
    )  # fmt: skip
    sys.exit(session.run())


def _can_be_run(program: Sequence[str]) -> None:
    """Told at once, before an emulator is started for each run. Raises `UsageError` or `Unusable`."""
    if not program:
        raise click.UsageError("nothing follows --; write the program under test there, or leave -- out")
    if shutil.which(program[0]) is None:
        raise Unusable(program[0], "no such program; name one that can be run")


# -- what is to be run --------------------------------------------------------------------------------------------


def _settings(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {text!r}; write NAME=VALUE")
        yield name, value


def _found(names: Sequence[str]) -> Iterator[str]:
    """The files that are meant, each once. Raises `Unusable`."""
    seen: set[str] = set()
    for name in names:
        for path in _matching(name):
            if path not in seen:
                seen.add(path)
                yield path


def _matching(name: str) -> list[str]:
    if Path(name).is_dir():
        found = sorted(str(path) for ending in ("yaml", "yml") for path in Path(name).rglob(f"*.{ending}"))
        found = [path for path in found if _is_scenario(path)]
        if not found:
            raise Unusable(name, "no scenario in this folder; write some as docs/scenarios.md says")
        return found
    if Path(name).exists() or not any(character in name for character in "*?["):
        return [name]
    matched = sorted(path for path in glob.glob(name, recursive=True) if Path(path).is_file())
    if not matched:
        raise Unusable(name, "no file matches; name a file, a folder, or a pattern such as scenarios/*.yaml")
    return matched


def _is_scenario(path: str) -> bool:
    """Whether a file of a folder is one; what can't be read is, so that it is told."""
    from emulator.scenario.script import kind_of
    from emulator.yaml import read

    try:
        return kind_of(read(path)) == "scenario"
    except Unusable:
        return True


def _is_config(path: str) -> bool:
    """Whether a file is the other kind of ours."""
    from emulator.config import Config
    from emulator.scenario.script import kind_of
    from emulator.yaml import Map, read

    try:
        node = read(path)
    except Unusable:
        return False
    return kind_of(node) == "config" and isinstance(node, Map) and any(key.text in Config.__struct_fields__ for key, _ in node.items)


def _names(path: str) -> set[str]:
    """What may be set of a file; nothing of one that can't be read, which is told later."""
    from emulator.scenario.script import load

    try:
        return load(path).names
    except Unusable:
        return set()


def _load(paths: Sequence[str], settings: dict[str, str]) -> list[tuple[str, "Script"]]:
    """Every script, with what is set of its variables. Raises `Unusable` with the mistakes of all files."""
    from emulator.scenario.script import load

    scripts: list[tuple[str, Script]] = []
    problems: list[str] = []
    names = {path: _names(path) for path in paths} if settings and len(paths) > 1 else {}
    known = set[str]().union(*names.values())
    for path in paths:
        try:
            script = load(path, {name: text for name, text in settings.items() if name not in known or name in names[path]})
            script.runs()
        except Unusable as error:
            problems.append(f"{path}: a config, and no scenario; `vsim check` judges it" if _is_config(path) else str(error))
        else:
            scripts.append((path, script))
    if problems:
        raise Unusable("", "\n".join(problems))
    return scripts
