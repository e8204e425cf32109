"""The operator's door: what a person gets wrong is told in a line with an exit code, never in a traceback."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ConnectionError as RedisConnectionError

from digest import cli
from digest.cli import common
from digest.errors import ConfigError, DigestError, StateError
from digest.store import database as database_module


def run(*arguments: str) -> int:
    return common.run(cli.app, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and nothing of DIGEST_* in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DIGEST_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def ready(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder after `digest init --yes --sample`."""
    assert run("init", "--yes", "--sample") == 0
    capsys.readouterr()
    return folder


def error_lines(told: str) -> list[str]:
    assert "Traceback" not in told
    return [line for line in told.splitlines() if line.startswith("error: ")]


# ------------------------------------------------------------------------------------------ no traceback


def missing_config(folder: Path) -> Iterator[None]:
    (folder / "digest.toml").unlink()
    yield


def malformed_config(folder: Path) -> Iterator[None]:
    (folder / "digest.toml").write_text('base_url = "x"\nspeed = 1\nsecret_keys = ["short"]\n', encoding="utf-8")
    yield


def broken_toml(folder: Path) -> Iterator[None]:
    (folder / "digest.toml").write_text("base_url =\n", encoding="utf-8")
    yield


def malformed_edition(folder: Path) -> Iterator[None]:
    (folder / "edition.toml").write_text('[edition]\nname = "x"\nspeed = 1\n', encoding="utf-8")
    yield


def latin_edition(folder: Path) -> Iterator[None]:
    (folder / "edition.toml").write_bytes('[edition]\ntitle = "Überblick"\n'.encode("latin-1"))
    yield


def missing_database(folder: Path) -> Iterator[None]:
    (folder / "var/digest.db").unlink()
    yield


def empty_database(folder: Path) -> Iterator[None]:
    (folder / "var/digest.db").unlink()
    (folder / "var/digest.db").touch()
    yield


def no_database(folder: Path) -> Iterator[None]:
    (folder / "var/digest.db").write_bytes(b"this is a letter to my aunt, not a database" * 99)
    yield


def locked_database(folder: Path) -> Iterator[None]:
    holder = sqlite3.connect(folder / "var/digest.db", isolation_level=None)
    holder.execute("PRAGMA journal_mode=DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    yield
    holder.close()


def no_postgresql(folder: Path) -> Iterator[None]:
    os.environ["DIGEST_DATABASE_URL"] = "postgresql://someone:secret@127.0.0.1:1/none"
    yield
    del os.environ["DIGEST_DATABASE_URL"]


def nothing_wrong(folder: Path) -> Iterator[None]:
    yield


def daily_applied(folder: Path) -> Iterator[None]:
    assert run("edition", "apply", "edition.toml", "--json") == 0
    yield


LIST, APPLY = ("edition", "list"), ("edition", "apply", "edition.toml")


@pytest.mark.parametrize(
    ("fault", "command", "code", "words"),
    [
        (missing_config, LIST, 66, ("no configuration at digest.toml", "digest init")),
        (malformed_config, LIST, 78, ("3 faults", "base_url: ", "speed: no such", "secret_keys: ")),
        (broken_toml, LIST, 78, ("digest.toml", "line 1", "correct the TOML")),
        (nothing_wrong, ("edition", "show", "mars"), 66, ("no edition named mars", "digest edition list")),
        (nothing_wrong, ("schedule", "add", "mars", "--cron", "0 7 * * *"), 66, ("no edition named mars",)),
        (nothing_wrong, ("schedule", "add", "daily"), 65, ("either --cron or --at",)),
        (nothing_wrong, ("schedule", "add", "daily", "--cron", "often"), 65, ("five fields",)),
        (daily_applied, ("schedule", "add", "daily", "--at", "2020-01-01T07:00"), 65, ("has passed",)),
        (nothing_wrong, ("schedule", "add", "daily", "--cron", "0 7 * * *", "--tz", "Mars"), 65, ("no time zone",)),
        (daily_applied, ("schedule", "add", "daily", "--cron", "0 7 * * *"), 65, ("already", "number 1")),
        (nothing_wrong, ("schedule", "pause", "99"), 66, ("no schedule 99",)),
        (nothing_wrong, ("init", "--yes"), 75, ("digest.toml exists", "--force")),
        (nothing_wrong, ("init", "new", "--yes", "--smtp-host", "x", "--smtp-port", "many"), 65, ("not a valid port",)),
        (nothing_wrong, ("init", "digest.toml/new", "--yes"), 65, ("can't write",)),
        (malformed_edition, APPLY, 78, ("edition.toml: ", "[edition] speed: unknown key", "[[section]]: at least one")),
        (latin_edition, APPLY, 65, ("edition.toml is not UTF-8",)),
        (missing_database, LIST, 66, ("no database at", "digest migrate")),
        (empty_database, LIST, 75, ("is empty", "digest migrate")),
        (no_database, LIST, 69, ("not a database",)),
        (locked_database, LIST, 69, ("stayed locked",)),
        (locked_database, APPLY, 69, ("stayed locked",)),
        (no_postgresql, LIST, 69, ("127.0.0.1:1", "check database_url")),
        (no_postgresql, ("migrate",), 69, ("127.0.0.1:1", "check database_url")),
    ],
)
def test_mistakes_are_told_in_a_line(  # type: ignore[no-untyped-def]
    fault,
    command: Sequence[str],
    code: int,
    words: Sequence[str],
    ready: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.05)
    for _ in fault(ready):
        capsys.readouterr()
        assert run(*command) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert len(error_lines(told.err)) == 1
    assert all(word in " ".join(told.err.split()) for word in words), told.err
    assert "secret@" not in told.err


def test_a_process_ends_the_same_way(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "digest", *LIST], capture_output=True, text=True, check=False)
    assert done.returncode == 66
    assert done.stdout == ""
    assert done.stderr == "error: no configuration at digest.toml: run `digest init` there, or give --config FILE\n"


def test_a_reader_that_hangs_up_is_no_error(ready: Path) -> None:
    command = f"{sys.executable} -m digest schedule list --json | true; echo ${{PIPESTATUS[0]}}"
    assert run("edition", "apply", "edition.toml") == 0
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (KeyboardInterrupt(), 130, ""),
        (StateError("not now", "wait"), 75, "error: not now: wait\n"),
        (DigestError("a\x1b[2Jb\nc"), 1, "error: a[2Jb c\n"),
        (ConfigError("f", ["one"]), 78, "error: f: one\n"),
        (RedisConnectionError("refused"), 69, "error: the broker can't be used (refused): check broker_url and the"),
        (BrokerError("refused\nat length"), 69, "error: the broker can't be used (refused)"),
    ],
)
def test_errors_become_exit_codes(
    raised: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert common.run(raising(raised), []) == code
    assert capsys.readouterr().err.startswith(told)


def test_what_nobody_expected_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        common.run(raising(ZeroDivisionError()), [])


def raising(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    return app


def test_debug_shows_where_an_error_came_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--debug", *LIST) == 66
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "\nerror: no configuration" in told


# ------------------------------------------------------------------------------------------------- help


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Every command's path, summary and epilog."""
    if not hasattr(command, "commands"):
        yield path, command.help or "", command.epilog or ""
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, (*path, name))


EVERY_COMMAND = [
    pytest.param(*c, id=" ".join(c[0])) for name in cli.COMMANDS for c in commands(cli.load(name), (name,))
]


@pytest.mark.parametrize(("path", "summary", "epilog"), EVERY_COMMAND)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...], summary: str, epilog: str) -> None:
    assert summary.strip()
    assert re.search(rf"digest (--\S+ \S+ )?{' '.join(path)}", epilog)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_is_listed_as_it_explains_itself(name: str) -> None:
    first, _, _ = cli.load(name).help.partition("\n\n")
    assert " ".join(first.split()) == cli.COMMANDS[name][1]


def test_the_list_of_commands_costs_no_libraries() -> None:
    script = "import sys; from digest.cli import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in cli.COMMANDS)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "typer" in loaded
    assert not loaded & {"alembic", "celery", "jinja2", "lxml", "pydantic", "redis", "sqlalchemy"}


def test_help_needs_no_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["schedule", "--help"], ["schedule", "add", "--help"]):
        assert run(*arguments) == 0
    told = capsys.readouterr().out
    assert "Asia/Kolkata" in told
    assert "\x1b" not in told


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("digest 0.")


def test_another_configuration_can_be_named(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ready / "digest.toml").rename(ready / "other.toml")
    assert run("--config", "other.toml", *LIST) == 0
    os.environ["DIGEST_CONFIG"] = str(ready / "other.toml")
    try:
        assert run(*LIST) == 0
    finally:
        del os.environ["DIGEST_CONFIG"]


# ------------------------------------------------------------------------------------ editions, schedules


def test_an_edition_is_declared_and_scheduled(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*APPLY) == 0
    assert "edition daily: created" in capsys.readouterr().err
    assert run(*APPLY, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["applied"] == "unchanged"
    assert run("schedule", "add", "daily", "--cron", "0 7 * * 1-5", "--tz", "Asia/Kolkata", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    slot = datetime.fromisoformat(made["next_slot_at"])
    assert (slot.hour, slot.minute, slot.weekday() < 5) == (1, 30, True)
    assert run("schedule", "add", "daily", "--at", "2999-12-01T07:00", "--cadence", "weekly") == 0
    assert "Sun 2999-12-01 07:00 UTC" in capsys.readouterr().err
    assert run("schedule", "pause", str(made["id"])) == run("schedule", "resume", str(made["id"])) == 0
    assert run("schedule", "remove", str(made["id"])) == 0
    capsys.readouterr()
    assert run("schedule", "list", "--json") == 0
    assert made["id"] not in [item["id"] for item in json.loads(capsys.readouterr().out)]


def test_as_many_issues_are_shown_as_asked_for(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*APPLY) == 0
    for cadence in ("daily", "weekly"):
        assert run("send", "daily", "--now", "--cadence", cadence) == 0
    assert "The issue is kept" in " ".join(capsys.readouterr().err.split()), "there is no broker"
    for words, shown in ((("status",), 2), (("status", "--last", "1"), 1)):
        assert run(*words, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert (len(told["issues"]), told["workers"]) == (shown, None)
    assert run("issue", "list", "--last", "1", "--json") == 0
    assert [issue["cadence"] for issue in json.loads(capsys.readouterr().out)] == ["weekly"]


def test_the_second_of_two_files_being_wrong_the_first_is_not_applied(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready / "bad.toml").write_text("", encoding="utf-8")
    assert run(*APPLY, "bad.toml") == 78
    capsys.readouterr()
    assert run(*LIST, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_what_is_shown_fits_80_columns_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    url = "https://news.example.org/" + "x" * 100
    common.show_table(("id", "what", "where"), [(1, "[bold]\x1b[31mred\x07", url), (22, None, True)], "Things")
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if len(line) > 80] == [f"  {url}"], "whole, to be copied"
    assert "what: [bold][31mred" in told


def test_json_of_our_values(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Thing:
        at: datetime
        path: Path
        names: frozenset[str]
        key: bytes

    common.show_json([Thing(datetime(2026, 12, 1, 7, tzinfo=UTC), Path("a"), frozenset({"ü"}), b"\x01")])
    assert json.loads(capsys.readouterr().out) == [
        {"at": "2026-12-01T07:00:00+00:00", "path": "a", "names": ["ü"], "key": "01"}
    ]


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with common.progress(3, "reading") as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")
