"""`digest init`: what it asks, writes and keeps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from digest.settings import load

from .test_cli import folder, ready, run

__all__ = ["folder", "ready"]  # fixtures


def test_init_writes_a_private_configuration_that_loads(ready: Path) -> None:
    assert (ready / "digest.toml").stat().st_mode & 0o777 == 0o600
    settings = load(ready / "digest.toml")
    (key,) = settings.keys
    assert key[0] == "a"
    assert len(key[1]) == 64
    assert settings.embedded_mailbox
    assert settings.embedded_broker
    assert (ready / "var/digest.db").exists()


def test_init_again_keeps_the_keys(ready: Path) -> None:
    keys = load(ready / "digest.toml").keys
    assert run("init", "--yes", "--force", "--smtp-host", 'a"b\\c', "--smtp-port", "465") == 0
    settings = load(ready / "digest.toml")
    assert settings.keys == keys
    assert (settings.smtp.host, settings.smtp.port, settings.smtp.security) == ('a"b\\c', 465, "tls")


def test_init_with_faults_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", "--yes", "--base-url", "x", "--smtp-host", "h", "--smtp-security", "rot13") == 78
    assert "base_url: " in (told := capsys.readouterr().err)
    assert "smtp.security: " in told
    assert list(folder.iterdir()) == []


def test_init_keeps_a_configuration_it_can_not_read(ready: Path) -> None:
    (ready / "digest.toml").write_text("x =", encoding="utf-8")
    assert run("init", "--yes", "--force") == 65
    assert (ready / "digest.toml").read_text(encoding="utf-8") == "x ="


def test_init_asks(folder: Path) -> None:
    answers = "mail.example.org\n465\nann\nhttps://news.example.org\n\nbounces.example.org\n\npass word\n"
    done = subprocess.run(
        [sys.executable, "-m", "digest", "init", "there"], input=answers, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    settings = load(folder / "there/digest.toml")
    assert settings.base_url == "https://news.example.org"
    assert settings.bounce_domain == "bounces.example.org"
    smtp = settings.smtp
    assert (smtp.host, smtp.port, smtp.security, smtp.username) == ("mail.example.org", 465, "tls", "ann")
    assert smtp.password.get_secret_value() == "pass word"
    assert (folder / "there/var/digest.db").exists()


def test_init_without_anybody_to_answer_says_what_to_do(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "digest", "init"], stdin=subprocess.DEVNULL, text=True, capture_output=True, check=False
    )
    assert done.returncode == 65
    assert "nobody answers “SMTP server" in done.stderr
    assert done.stderr.endswith("--yes takes the defaults\n")
    assert list(folder.iterdir()) == []
