"""What the benchmark needs besides the project's own environment: fetched by package name into ``build/bench``, built
from the C files beside this one, or missing with a message."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
_PATIENCE = 300


@dataclass(frozen=True, slots=True)
class Tools:
    """Commands to start things with; empty where one can't be had, and then ``missing`` says why."""

    smtp_source: tuple[str, ...]
    smtp_sink: tuple[str, ...]
    nodemailer: tuple[str, ...]
    sink: tuple[str, ...]
    delay: tuple[str, ...]
    environment: dict[str, str]
    missing: tuple[str, ...]


def provide(fetch: bool = True) -> Tools:
    """Build what is not there yet, and ``fetch`` what others have built."""
    BUILD.mkdir(parents=True, exist_ok=True)
    missing: list[str] = []
    postfix, environment = unpacked_postfix(missing, fetch)
    return Tools(
        smtp_source=(str(postfix / "usr/sbin/smtp-source"),) if postfix else (),
        smtp_sink=(str(postfix / "usr/sbin/smtp-sink"),) if postfix else (),
        nodemailer=_nodemailer(missing, fetch),
        sink=built("sink", missing),
        delay=built("delay", missing),
        environment=environment,
        missing=tuple(missing),
    )


def unpacked_postfix(missing: list[str], fetch: bool = True) -> tuple[Path | None, dict[str, str]]:
    """Debian's postfix unpacked, not installed: where it lies and the environment its programs need. Where it can't be
    had, ``missing`` says why; without ``fetch`` it can be had only if it is there."""
    BUILD.mkdir(parents=True, exist_ok=True)
    root = BUILD / "postfix"
    environment = os.environ | {"LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
    if fetch and not (root / "usr/sbin/smtp-sink").exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            missing.append("smtp-source and smtp-sink: no apt-get and dpkg-deb here")
            return None, environment
        for package in BUILD.glob("postfix_*.deb"):
            package.unlink()
        _run(["apt-get", "download", "-qq", "postfix"], BUILD)
        for package in BUILD.glob("postfix_*.deb"):
            _run(["dpkg-deb", "-x", str(package), str(root)], BUILD)
    try:  # without arguments it tells how it is used, if it can be loaded at all
        said = subprocess.run(
            [root / "usr/sbin/smtp-source"], env=environment, capture_output=True, text=True, timeout=10, check=False
        )
    except OSError as error:
        missing.append(f"smtp-source and smtp-sink: the package postfix could not be had ({error.strerror})")
        return None, environment
    if "usage" not in said.stderr:
        missing.append(f"smtp-source and smtp-sink can't be run: {said.stderr.strip().splitlines()[-1]}")
        return None, environment
    return root, environment


def _nodemailer(missing: list[str], fetch: bool) -> tuple[str, ...]:
    package = BUILD / "node_modules" / "nodemailer"
    if fetch and not package.is_dir() and shutil.which("npm"):
        _run(["npm", "install", "--no-save", "--silent", "--prefix", str(BUILD), "nodemailer"], BUILD)
    if not package.is_dir() or not shutil.which("node"):
        missing.append("nodemailer: needs node and npm")
        return ()
    return ("node", str(HERE / "pool.cjs"), str(package))


def built(name: str, missing: list[str]) -> tuple[str, ...]:
    """A C program of ours, or the slower Python that does the same."""
    source, program = HERE / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return (str(program),)
    compiler = shutil.which("cc")
    if compiler and _run([compiler, "-O2", "-o", str(program), str(source)], BUILD):
        return (str(program),)
    missing.append(f"the fast {name}: no C compiler; its Python stand-in limits what can be measured")
    return (sys.executable, "-m", "bench.standin", name)


def _run(command: list[str], folder: Path) -> bool:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
