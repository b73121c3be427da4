"""What an engine does with an image to make it a running container: name spaces, user, capabilities, environment, mounts, health check.

Written out here because no engine runs where these tests must: the image is what is tested, by the rules that engines follow.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.container.build import Image, buildah
from tests.container.network import Namespace
from tests.support.serve import DEADLINE, environment, run, until

DEFAULT_CAPABILITIES = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service", "setfcap", "setgid", "setpcap", "setuid", "sys_chroot",
)  # fmt: skip
"""What both Docker and podman leave to a container."""

STOP_SECONDS = 10.0
"""After those Docker and podman kill."""

_SETUP = """
set -e
root=$1; read_only=$2; writable=$3; shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
for volume in $VOLUMES; do
  if [ -f "${volume%%:*}" ]; then touch "$root${volume#*:}"; fi
  mount --bind -o ro "${volume%%:*}" "$root${volume#*:}"
done
if [ "$read_only" = yes ]; then mount -o remount,bind,ro "$root"; fi
for place in $writable; do mount -t tmpfs -o mode=1777 tmpfs "$root$place"; done
cd /
exec chroot "$root" "$@"
"""


class Container:
    """One container, as `run` of an engine makes it. Its output and its errors come as `logs()`."""

    def __init__(
        self, image: Image, network: Namespace, directory: Path, *command: str, user: str | None = None,
        env: Mapping[str, str] | None = None, volumes: Mapping[Path, str] | None = None, read_only: bool = False, tmpfs: str = "",
        drop_all: bool = False, no_new_privileges: bool = False,
    ) -> None:  # fmt: skip
        """`command` stands for the image's own; `user` as UID:GID; `volumes` say where files and folders are mounted, read-only."""
        self.config = image.config
        self.network = network
        self._user = user or self.config["User"]
        self._env = [*self.config["Env"], "HOSTNAME=c0ffee", *(f"{name}={value}" for name, value in (env or {}).items())]
        self._limits = [f"--bounding-set=-all{'' if drop_all else ',' + ','.join('+' + name for name in DEFAULT_CAPABILITIES)}"]
        if no_new_privileges:
            self._limits.append("--no-new-privs")
        self._name = buildah("from", "--pull-never", image.id)
        self._log = directory / f"{self._name}.log"
        try:
            root = buildah("mount", self._name)
            mounts = " ".join(f"{folder}:{place}" for folder, place in (volumes or {}).items())
            script = ["sh", "-c", _SETUP, "sh", root, "yes" if read_only else "no", tmpfs]
            spaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--uts", "--ipc"]
            given = [*self.config["Entrypoint"], *(command or self.config["Cmd"])]
            with self._log.open("w") as log:
                self.process = subprocess.Popen(
                    network.command(*spaces, *script, *self._as_user(given)), env=environment(VOLUMES=mounts), stdout=log,
                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                )  # fmt: skip
        except BaseException:
            buildah("rm", self._name)
            raise

    def _as_user(self, command: list[str], user: str | None = None) -> list[str]:
        uid, gid = (user or self._user).split(":")
        limits = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--inh-caps=-all", *self._limits]
        return ["/usr/bin/setpriv", *limits, "/usr/bin/env", "-i", "-C", self.config["WorkingDir"], *self._env, *command]

    @property
    def pid(self) -> int:
        """The container's first process, as this machine numbers it."""
        parent = self.process.pid
        children = until(lambda: Path(f"/proc/{parent}/task/{parent}/children").read_text().split(), "the container's first process")
        return int(children[0])

    def logs(self) -> str:
        return self._log.read_text()

    def run(self, *command: str, seconds: float = 2 * DEADLINE, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """A further process in the container, as `exec` of an engine makes it."""
        spaces = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--"]
        return run([*spaces, *self._as_user(list(command), user)], seconds)

    def wait_until_healthy(self) -> float:
        """Ask as the image's HEALTHCHECK says, more often than an engine would; the seconds that one answer took."""
        test: list[str] = self.config["Healthcheck"]["Test"]
        assert test[0] == "CMD"
        deadline = time.monotonic() + max(self.config["Healthcheck"]["StartPeriod"] / 1e9, DEADLINE)
        while True:
            if self.process.poll() is not None:
                pytest.fail(f"the container ended with {self.process.returncode}: {self.logs()}")
            before = time.monotonic()
            done = self.run(*test[1:])
            if done.returncode == 0:
                return time.monotonic() - before
            if time.monotonic() > deadline:
                pytest.fail(f"not healthy: {done.stderr}{self.logs()}")

    def status(self) -> dict[str, str]:
        """What the kernel says of the first process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def wait(self, seconds: float = 2 * DEADLINE) -> int:
        """The exit code of a container that ends by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still up after {seconds:g} s: {self.logs()}")

    def stop(self) -> tuple[int, float]:
        """The image's stop signal to the first process; exit code and seconds."""
        before = time.monotonic()
        os.kill(self.pid, signal.Signals[self.config["StopSignal"]])
        return self.wait(), time.monotonic() - before

    def remove(self) -> None:
        """End it, if it is up, and throw it away."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        buildah("rm", self._name)
