"""What the demo shows, the commands it runs, and waiting for things to happen."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_DIGEST = Path(sys.executable).with_name("digest")
_POLL_SECONDS = 0.1
_LONGEST_SECONDS = 180


class DemoError(Exception):
    """The demo did not go as it must; says why."""


class Screen:
    """Numbered steps on stdout, coloured on a terminal (unless NO_COLOR is set)."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._steps = 0
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        self._steps += 1
        self.line(f"\n{self._painted(f'{self._steps}. {title}', '1;36')}  {self._painted(self._elapsed(), '2')}")

    def line(self, text: str = "") -> None:
        print(text, flush=True)

    def command(self, arguments: list[str]) -> None:
        self.line(self._painted("$ digest " + shlex.join(arguments), "1"))

    def finding(self, what: str, found: str, good: bool) -> None:
        self.line(f"  {self._painted('ok  ', '32') if good else self._painted('FAIL', '1;31')} {what}: {found}")

    def error(self, text: str) -> None:
        print(self._painted(f"The demo failed: {text}", "1;31"), file=sys.stderr, flush=True)

    def _elapsed(self) -> str:
        return f"({time.monotonic() - self._began:.0f} s)"

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text


class Commands:
    """Runs ``digest`` as an operator would, in the folder of its configuration."""

    def __init__(self, folder: Path, screen: Screen) -> None:
        self._folder = folder
        self._screen = screen
        # The operator's own settings must not get into the demo; its output is for a person, in UTF-8.
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        self._environment["PYTHONIOENCODING"] = "utf-8"
        self.quickest = 60.0

    def run(self, *arguments: str) -> None:
        """Run a command with its output, in order, on the screen. Raises ``DemoError``."""
        self._screen.command(list(arguments))
        began = time.monotonic()
        try:
            subprocess.run(
                [_DIGEST, *arguments],
                cwd=self._folder,
                env=self._environment,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=_LONGEST_SECONDS,
            )
        except subprocess.SubprocessError as error:
            how = f"with {error.returncode}" if isinstance(error, subprocess.CalledProcessError) else "never"
            raise DemoError(f"`digest {shlex.join(arguments)}` ended {how}") from None
        self.quickest = min(self.quickest, time.monotonic() - began)

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a command that stays, in a session of its own, so that Ctrl-C is for us to pass on."""
        self._screen.command([*arguments, "&"])
        with log.open("wb") as output:
            return subprocess.Popen(
                [_DIGEST, *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def wait_until(happened: Callable[[], bool], what: str, seconds: float, process: subprocess.Popen[bytes]) -> None:
    """Wait for something while ``process`` lives. Raises ``DemoError`` when it ends or time is up."""
    deadline = time.monotonic() + seconds
    while not happened():
        if process.poll() is not None:
            raise DemoError(f"`digest up` ended with {process.returncode} while waiting for {what}")
        if time.monotonic() > deadline:
            raise DemoError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)
