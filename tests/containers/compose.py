"""Docker Compose, by its command line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ONE, THREE = "docker-compose.yml", "docker-compose.three.yml"
_START_SECONDS = 600
_COMMAND_SECONDS = 900
_KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


class ContainersError(Exception):
    """Docker, or what runs on it, does not do what it should; the message says what, in a sentence."""


def require_docker() -> None:
    """Return when engine and Compose answer; ContainersError otherwise."""
    if shutil.which("docker") is None:
        raise ContainersError("there is no `docker` here: install Docker and its Compose plugin, then run this again")
    for command in (("docker", "version", "--format", "{{.Server.Version}}"), ("docker", "compose", "version")):
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except subprocess.TimeoutExpired:
            raise ContainersError(f"`{' '.join(command[:3])}` has not answered within 30 s: is Docker up?") from None
        if ran.returncode:
            said = (ran.stderr or ran.stdout).strip().splitlines()
            raise ContainersError(f"Docker does not answer `{' '.join(command[:3])}`: {said[-1] if said else '-'}")


def require_alone(file: Path) -> None:
    """Keep other runs of this checkout away until the process ends; ContainersError when one is under way."""
    descriptor = os.open(file, os.O_RDONLY)  # never closed: the lock goes with the process
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ContainersError("another run of this checkout's containers is under way: wait for its end") from None


class Compose:
    """One project of Compose: its files, its ports, and a secret of its own. `tell` hears of each command."""

    def __init__(
        self, root: Path, name: str, files: Sequence[str], environment: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        self._root = root
        self.name = name
        self._base = ["docker", "compose", "-p", name, *(part for file in files for part in ("-f", file))]
        self._environment = {**os.environ, **environment}
        self._tell = tell

    def build(self) -> None:
        """Build the image of the workers."""
        self._run("build", "--quiet", "deploy")

    def up(self, **scale: int) -> None:
        """Start what is not there, so many of each; return when all of it is healthy.

        Compose's own ``--wait`` gives up at the first container that ends, be it started again at once: one that did
        not reach a slow machine's Kafka in time, for instance. Such a start is told, and waited for.
        """
        try:
            self._run("up", "--detach", "--wait", "--wait-timeout", str(_START_SECONDS), *_scales(scale))
        except ContainersError as error:
            self._tell(f"{str(error).splitlines()[-1]}; waiting on")
        self.wait_until_healthy()

    def scale(self, **scale: int) -> None:
        """Start so many of each, and do not wait for them."""
        self._run("up", "--detach", "--no-recreate", *_scales(scale))

    def stop(self, *services: str) -> None:
        """Stop these services, or all; their containers stay."""
        self._run("stop", *services)

    def start(self, *services: str) -> None:
        """Start what was stopped."""
        self._run("start", *services)

    def down(self, *, volumes: bool = False, quiet: bool = False) -> None:
        """Remove containers and network, and the volumes as well where that is said."""
        self._run("down", "--remove-orphans", *(["--volumes"] if volumes else []), quiet=quiet)

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a container of a service and return what it says."""
        return self._run("exec", "-T", service, *command, quiet=True)

    def exit_codes(self, service: str) -> list[int]:
        """Return how the stopped containers of a service ended."""
        return [each["ExitCode"] for each in self._listed("-a") if each["Service"] == service]

    def kill(self, service: str) -> None:
        """SIGKILL the first process of a container of this service, as the kernel does that has no memory left.

        Not by `docker kill`: what somebody kills by hand is not started again by the engine.
        """
        container = next(each["ID"] for each in self._listed() if each["Service"] == service)
        found = json.loads(_docker("inspect", container))[0]
        self._tell(f"kill -9 of {found['Name'].removeprefix('/')}")
        _docker(
            *("run", "--rm", "--pid=host", "--user=0", "--cap-drop=ALL", "--cap-add=KILL", "--network=none"),
            *("--entrypoint=python", self._image(), "-c", _KILL, str(found["State"]["Pid"])),
        )
        self._until(lambda: json.loads(_docker("inspect", container))[0]["RestartCount"] > found["RestartCount"])

    def wait_until_healthy(self) -> None:
        """Return when everything runs, passes its health check where it has one, and what is to end has ended well."""
        self._until(lambda: all(map(_is_well, self._listed("-a"))))

    def _image(self) -> str:
        worker = next(each["ID"] for each in self._listed() if each["Service"] == "streams")
        return str(json.loads(_docker("inspect", worker))[0]["Image"])

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                states = ", ".join(f"{each['Name']}: {each['Status']}" for each in self._listed("-a"))
                raise ContainersError(f"not within {_START_SECONDS} s: {states}")
            time.sleep(0.5)

    def _listed(self, *options: str) -> list[dict[str, Any]]:
        said = self._run("ps", "--format", "json", *options, quiet=True)
        return [json.loads(line) for line in said.splitlines() if line]

    def logs(self, lines: int) -> str:
        """Return the last lines of each container."""
        return self._run("logs", "--tail", str(lines), "--no-color", quiet=True)

    def _run(self, *arguments: str, quiet: bool = False) -> str:
        if not quiet:
            self._tell(f"docker compose {' '.join(arguments)}")
        ran = subprocess.run(
            [*self._base, *arguments],
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if ran.returncode:
            raise ContainersError(f"`docker compose {' '.join(arguments)}` failed:\n{ran.stderr.strip()[-3000:]}")
        return ran.stdout


def _scales(scale: Mapping[str, int]) -> list[str]:
    return [part for name, many in scale.items() for part in ("--scale", f"{name.replace('_', '-')}={many}")]


def _is_well(container: dict[str, Any]) -> bool:
    if container["Service"] == "deploy":
        return bool(container["State"] == "exited" and container["ExitCode"] == 0)
    return container["State"] == "running" and container["Health"] in ("", "healthy")


def _docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode:
        raise ContainersError(f"`docker {' '.join(arguments[:2])}` failed: {ran.stderr[-1000:]}")
    return ran.stdout
