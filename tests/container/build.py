"""The image, built for real by buildah over a base made by debootstrap, both kept outside the checkout for the next run.

No registry is named here: Debian's mirror is the one that apt is set to, the package index the one that pip is set to.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.serve import environment, need, run, until

ROOT = Path(__file__).resolve().parent.parent.parent
BASE = "localhost/debian:bookworm-slim"
_BASE_SECONDS = 7 * 86400
_KEPT_OCTETS = 4 << 30
_OTHERS_SECONDS = 1800.0
_NOT_IN_SLIM = ("doc", "man", "locale", "info")
_PIP_LEVELS = ("global", "user", "site", ":env:")
_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@dataclass(frozen=True)
class Image:
    """An image in a store, and what it says of itself."""

    id: str
    described: dict[str, Any]
    seconds: float
    """What the build took."""

    @property
    def config(self) -> dict[str, Any]:
        """The part that an engine goes by, as Docker's image format has it."""
        found: dict[str, Any] = self.described["Docker"]["config"]
        return found

    @property
    def octets(self) -> int:
        """Of the whole file system, as `du` counts it."""
        with mounted(self.id) as root:
            return int(run(["du", "--summarize", "--bytes", "--one-file-system", root]).stdout.split()[0])


def needs() -> None:
    """Skip, or fail where CI=true promises them, when what builds and runs an image is not here."""
    for program, package in (
        ("buildah", "buildah"), ("debootstrap", "debootstrap"), ("ip", "iproute2"), ("unshare", "util-linux"), ("chroot", "coreutils"),
        ("apt-get", "apt"),
    ):  # fmt: skip
        need(program, package)
    if os.geteuid() != 0:
        pytest.skip("root is needed to make name spaces and to build an image without an engine")


def store() -> Path:
    """Where images, their base and downloads are kept: nobody else's, and made anew when it has grown too large."""
    path = Path(tempfile.gettempdir()) / f"vsim-container-{os.geteuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        pytest.fail(f"{path} is not ours alone")
    return path


def buildah(*arguments: str | Path, seconds: float = 900) -> str:
    """Run buildah on the store; returns what it prints. Fails the test with its last words."""
    path = store()
    (path / "tmp").mkdir(exist_ok=True)
    command = ["buildah", "--root", path / "storage", "--runroot", path / "run", *arguments]
    done = run(command, seconds, env=environment(BUILDAH_ISOLATION="chroot", TMPDIR=str(path / "tmp")))
    if done.returncode:
        pytest.fail(f"buildah {arguments[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout.strip()


@contextmanager
def mounted(image: str) -> Iterator[Path]:
    """A container's file system, made from an image and thrown away."""
    name = buildah("from", "--pull-never", image)
    try:
        yield Path(buildah("mount", name))
    finally:
        buildah("rm", name)


@contextmanager
def built() -> Iterator[Image]:
    """The image of the sources as they are, built unless it is there. Several may use the store at once; one builds, and alone."""
    started = time.monotonic()
    with (store() / "lock").open("w") as lock:
        id = until(lambda: _there(lock) or _build(lock), "what others do with the store to end", _OTHERS_SECONDS)
        yield Image(id, json.loads(buildah("inspect", "--type", "image", id)), time.monotonic() - started)


def _there(lock: IO[str]) -> str | None:
    """The id of the image if there is one, and the lock held by us among others; None else."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    note = store() / "built"
    known = json.loads(note.read_text()) if note.is_file() else {}
    fresh = known.get("sources") == _sources() and time.time() - known["base"] < _BASE_SECONDS
    return str(known["id"]) if fresh else None


def _build(lock: IO[str]) -> str | None:
    """Build when nobody else is here; None when somebody is."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    buildah("rm", "--all")  # of a run that was killed
    if _grown():
        buildah("rmi", "--all", "--force")
    if _time_of_base() is None:
        _make_base()
    id = _make_image()
    (store() / "built").write_text(json.dumps({"id": id, "sources": _sources(), "base": _time_of_base()}))
    fcntl.flock(lock, fcntl.LOCK_SH)
    return id


def _sources() -> str:
    """A hash of all that the image is made from."""
    hashed = hashlib.sha256()
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "emulator", "scenarios"):
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                hashed.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return hashed.hexdigest()


def _grown() -> bool:
    """Whether layers of many builds have gathered."""
    storage = store() / "storage"
    return storage.is_dir() and int(run(["du", "--summarize", "--bytes", storage]).stdout.split()[0]) > _KEPT_OCTETS


def _time_of_base() -> float | None:
    """When it was made, in seconds of the epoch; None without one that is fresh."""
    for image in json.loads(buildah("images", "--json") or "[]") or []:
        if BASE in (image.get("names") or ()) and time.time() - image["created"] < _BASE_SECONDS:
            return float(image["created"])
    return None


def _make_base() -> None:
    """Debian's smallest installation of this machine's own release, without what Debian's own slim image leaves out."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    mirror, component = _mirror(release)
    with tempfile.TemporaryDirectory(dir=store()) as directory:
        target = Path(directory, "base")
        command = [need("debootstrap", "debootstrap"), "--variant=minbase", f"--components={component}", release, target, mirror]
        done = run(command, 900, env=environment(**_proxies()))
        if done.returncode:
            pytest.fail(f"debootstrap ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        for left_out in (*(f"usr/share/{name}" for name in _NOT_IN_SLIM), "var/lib/apt/lists", "var/cache/apt", "var/log"):
            shutil.rmtree(target / left_out, ignore_errors=True)
        for own in ("etc/resolv.conf", "etc/hostname"):  # this machine's, not the image's
            (target / own).unlink(missing_ok=True)
        (target / "var/log").mkdir()
        (target / "etc/dpkg/dpkg.cfg.d/slim").write_text("".join(f"path-exclude /usr/share/{name}/*\n" for name in _NOT_IN_SLIM))
        (target / "etc/apt/apt.conf.d/mirror").write_text("\n".join(_apt_settings()) + "\n")
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, target, "/")
        buildah("config", "--cmd", "bash", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        buildah("commit", "--quiet", "--rm", container, BASE)


def _mirror(release: str) -> tuple[str, str]:
    """The mirror that apt takes this release from, and the components to take."""
    listed = run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]).stdout.split("\n")
    found = [line.split() for line in listed if line.split()[1:2] == [release]]
    if not found:
        pytest.fail(f"apt is set to no mirror for {release}: {listed}")
    site = found[0][0]
    return site, ",".join(dict.fromkeys(component for at, _, component in found if at == site))


def _apt_settings() -> list[str]:
    """How apt reaches its mirror, as lines of a configuration file."""
    wanted = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
    return [line for line in run(["apt-config", "dump"]).stdout.splitlines() if line.startswith(wanted)]


def _proxies() -> dict[str, str]:
    """The same for debootstrap, which fetches by wget."""
    found = {}
    for line in _apt_settings():
        name, _, value = line.rstrip(";").partition(" ")
        if name.endswith("::Proxy") and value.strip('"'):
            found[name.split("::")[1] + "_proxy"] = value.strip('"')
    return found


def _make_image() -> str:
    """The Dockerfile as users build it, in Docker's format, for OCI's has no health check. Returns the image's id."""
    with tempfile.TemporaryDirectory(dir=store()) as directory:
        built = Path(directory, "id")
        buildah("build", "--format", "docker", f"--layers={_layers()}", "--pull-never", "--build-arg", f"BASE={BASE}", "--iidfile", built,
                *_secrets(Path(directory)), "--tag", "localhost/vsim:test", ROOT)  # fmt: skip
        return built.read_text().strip().removeprefix("sha256:")


def _layers() -> str:
    """Layers are kept for the next build only where they are differences: with `vfs` each would be a copy of everything."""
    return "true" if json.loads(buildah("info"))["store"]["GraphDriverName"] == "overlay" else "false"


def _secrets(directory: Path) -> Sequence[str]:
    """pip's own settings, for the build alone: the index, a proxy, and the CA that it is behind."""
    settings: dict[str, str] = {}
    listed = run([sys.executable, "-m", "pip", "config", "list"]).stdout.splitlines()
    for line in sorted(listed, key=lambda line: _PIP_LEVELS.index(line.partition(".")[0])):  # the later ones win
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = value.strip("'\"").replace("\\n", "\n")
    kept = {
        name: " ".join(part for part in value.split() if not part.startswith(("file:", "/")))
        for name, value in settings.items()
        if name in ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
    }
    secrets = []
    authority = next((path for path in (settings.get("cert", ""), *_CERTIFICATES) if path and Path(path).is_file()), None)
    if authority is not None:
        kept["cert"] = "/run/secrets/ca.pem"
        secrets += ["--secret", f"id=ca.pem,src={authority}"]
    file = directory / "pip.conf"
    file.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in kept.items() if value))
    return [*secrets, "--secret", f"id=pip.conf,src={file}"]
