"""`digest init`: what it asks, writes and keeps."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from digest.app import App
from digest.cli import init
from digest.configuration import load
from digest.settings import Settings
from tests.cli.test_common import folder, ready, run
from tests.conftest import KEY

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


def test_init_without_anybody_to_answer_takes_the_defaults_and_says_so(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "digest", "init"], stdin=subprocess.DEVNULL, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0
    asked, told, *_ = done.stderr.splitlines()
    assert asked.startswith("SMTP server")
    assert told == "no terminal: using defaults, as with --yes"
    assert load(folder / "digest.toml").embedded_mailbox


def test_the_sample_has_a_mail_to_show(ready: Path) -> None:
    for command in ("edition apply edition.toml", "article import stories.jsonl", "preview daily --out here"):
        assert run(*command.split()) == 0
    lines = (ready / "here/daily.txt").read_text(encoding="utf-8").splitlines()
    shown = [line.strip() for line, below in pairwise(lines) if below.startswith("---")]
    assert shown == ["Top story", "Trending", "Opinion", "Health", "From Asia", "Latest news"]


_SAMPLE = Path(init.__file__).with_name("digest.sample.toml")


def test_the_sample_configuration_says_what_holds(folder: Path) -> None:
    """All of it, uncommented, is valid; what it gives is the default, or an example where there is none; and it has
    every table."""
    asked = dict.fromkeys(("base_url", "database_url", "bounce_domain", "smtp_host", "smtp_username"), '""')
    asked |= {"base_url": '"http://127.0.0.1:8025"', "database_url": '"sqlite:///var/digest.db"', "smtp_port": "587"}
    asked |= {"smtp_password": '""', "smtp_security": '"starttls"', "secret_keys": f'["{KEY}"]'}
    sample = re.sub(r"^# (?=\[|[a-z_]+ = )", "", _SAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    given = tomllib.loads(Template(sample).substitute(asked))
    Settings(**given)
    assert _told(given, Settings(secret_keys=(SecretStr(KEY),))) == []
    assert set(Settings.model_fields) - set(given) == set()


def _told(given: dict[str, Any], holds: BaseModel) -> list[str]:
    """What is told otherwise than it is."""
    wrong = []
    for name, value in given.items():
        default = getattr(holds, name)
        if isinstance(default, BaseModel):
            wrong += _told(value, default)
        elif default and name != "secret_keys" and value != (str(default) if isinstance(default, Path) else default):
            wrong.append(f"{name} is {default}, not {value}")
    return wrong


def test_what_holds_addresses_is_closed_to_strangers_of_the_machine(ready: Path) -> None:
    state = load(ready / "digest.toml").state_dir
    assert state.stat().st_mode & 0o077 == 0
    state.chmod(0o755)  # as versions before left it
    App.from_file(ready / "digest.toml")
    assert state.stat().st_mode & 0o777 == 0o750, "a group that was let in stays"
