"""Hosts that share nothing but the network: each has its own folder, and where we may, its own network and name."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.site import Site, descendants, end

NAMES = ("host-a", "host-b")
_NAMED = 'hostname "$0" && exec "$@"'


@dataclass(frozen=True)
class Network:
    """How commands are run on each host, and where from all of them the services are found. Without ``spaces`` the
    hosts are mere groups of processes."""

    address: str = "127.0.0.1"
    reach: str = "127.0.0.0/8"
    spaces: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "network namespaces" if self.spaces else "groups of processes"

    def command(self, host: str, command: list[str]) -> list[str]:
        if not self.spaces:
            return command
        return ["ip", "netns", "exec", self.spaces[host], "unshare", "--uts", "sh", "-c", _NAMED, host, *command]


@contextmanager
def network() -> Iterator[Network]:
    """A network namespace for each host, linked to ours and to nothing else; none where that is not allowed."""
    made, third = secrets.token_hex(3), os.getpid() % 256  # by process: not two tests in the same network
    spaces = {name: f"digest-{made}-{name}" for name in NAMES}
    subnets = {name: f"198.{18 + place}.{third}" for place, name in enumerate(NAMES)}  # RFC 2544: for tests
    try:
        allowed = bool(shutil.which("ip")) and all(
            _link(f"dg{made}{place}", spaces[name], subnets[name]) for place, name in enumerate(NAMES)
        )
        yield Network(f"{subnets[NAMES[0]]}.1", "198.18.0.0/15", spaces) if allowed else Network()
    finally:
        for space in spaces.values():
            _ip(f"netns del {space}")  # and its link with it


def _link(link: str, space: str, subnet: str) -> bool:
    """Whether the namespace could be made and linked to ours."""
    steps = [
        f"netns add {space}",
        f"link add {link} type veth peer name eth0 netns {space}",
        f"addr add {subnet}.1/24 dev {link}",
        f"link set {link} up",
        f"-n {space} addr add {subnet}.2/24 dev eth0",
        f"-n {space} link set lo up",
        f"-n {space} link set eth0 up",
        f"-n {space} route add default via {subnet}.1",
    ]
    return all(map(_ip, steps))


def _ip(words: str) -> bool:
    try:
        return subprocess.run(["ip", *words.split()], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@dataclass
class Host:
    """A machine of the site: its own worker and beat, on its own disk."""

    name: str
    site: Site
    network: Network
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def greeting(self) -> str:
        """The name it greets SMTP servers with."""
        return f"{self.name}.example"

    @property
    def folder(self) -> Path:
        return self.site.folder / self.name

    @property
    def journals(self) -> list[Path]:
        return list(self.folder.glob("var/journal/*.journal"))

    def start(self) -> None:
        self.folder.mkdir()
        text = self.site.config.read_text().replace(f"{self.site.folder}/var", f"{self.folder}/var")
        text = text.replace("[smtp]\n", f'[smtp]\nhelo = "{self.greeting}"\n')
        (self.folder / "digest.toml").write_text(text)
        for name in ("beat", "worker"):
            command = [sys.executable, "-m", "digest", "--config", str(self.folder / "digest.toml"), name]
            self.started.append(self.site.start(f"{self.name}-{name}", self.network.command(self.name, command)))

    def senders(self) -> int:
        """How many processes of it send mail."""
        return len(descendants(self.started[-1].pid))

    def lose(self) -> None:
        """``kill -9`` everything on it."""
        running = [pid for process in self.started for pid in (process.pid, *descendants(process.pid))]
        end(running)
        for process in self.started:
            process.wait()
