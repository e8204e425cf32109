"""The ground floor: states, settings, tokens, the schema on both databases."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, select, text

from digest import states
from digest.app import App
from digest.configuration import load
from digest.errors import ConfigError, NotFoundError, StateError, UnavailableError
from digest.readers import tokens
from digest.settings import Settings
from digest.store import database as database_module
from digest.store import schema
from digest.store.clock import DatabaseClock
from digest.store.database import Database
from tests.conftest import KEY, NOW

KEYS = (("b", b"new secret" * 4), ("a", b"old secret" * 4))
MACHINES = [
    (states.ISSUE, states.IssueState, states.IssueEvent),
    (states.DELIVERY, states.DeliveryState, states.DeliveryEvent),
    (states.SUBSCRIPTION, states.SubscriptionState, states.SubscriptionEvent),
]


@pytest.mark.parametrize(("table", "state_kind", "event_kind"), MACHINES)
def test_every_state_and_event_pair_is_listed_or_refused(table, state_kind, event_kind) -> None:  # type: ignore[no-untyped-def]
    for state in state_kind:
        for event in event_kind:
            if (state, event) in table:
                assert states.after(table, state, event) == table[state, event] == states.target(table, event)
                assert state in states.sources(table, event)
            else:
                with pytest.raises(ValueError, match="not possible"):
                    states.after(table, state, event)


def test_terminal_states_have_no_way_out() -> None:
    leaving = {state for state, _ in states.DELIVERY}
    assert leaving.isdisjoint({"suppressed", "cancelled", "skipped", "bounced", "complained"})


def test_migrated_tables_are_the_declared_tables(database: Database) -> None:
    names = set(inspect(database.engine).get_table_names()) - {"alembic_version"}
    assert names == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        columns = {column["name"] for column in inspect(database.engine).get_columns(name)}
        assert columns == {column.name for column in table.columns}, name


def test_the_version_wanted_is_what_alembic_leads_to(database: Database) -> None:
    folder = Path(database_module.__file__).with_name("migrations")
    assert database_module.newest_version() == ScriptDirectory(str(folder)).get_current_head()
    database.check()
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(StateError, match="is at version 0000, not"):
        database.check()


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(schema.feeds).values(name="x"))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(select(schema.feeds.c.id)).all() == []


def test_database_faults_are_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="digest migrate"):
        Database(f"sqlite:///{tmp_path}/none.db").check()
    (tmp_path / "empty.db").touch()
    with pytest.raises(StateError, match="is empty"):
        Database(f"sqlite:///{tmp_path}/empty.db").check()
    with pytest.raises(UnavailableError, match="can't be used"):
        Database("postgresql+psycopg://nobody@127.0.0.1:1/none").check()


def test_settings_say_every_fault_at_once(tmp_path: Path) -> None:
    path = tmp_path / "digest.toml"
    path.write_text('base_url = "ftp://x"\nspeed = 9\n[smtp]\nport = 0\nusername = "u"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    told = str(caught.value)
    assert all(word in told for word in ("base_url", "speed: no such setting", "smtp.port", "secret_keys: is required"))


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "digest.toml"
    path.write_text(f'secret_keys = ["{KEY}"]\nbase_url = "https://a.example"\n[smtp]\nhost = "a"\n', encoding="utf-8")
    monkeypatch.setenv("DIGEST_BASE_URL", "https://b.example/")
    monkeypatch.setenv("DIGEST_SMTP__HOST", "b")
    settings = load(path)
    assert (settings.base_url, settings.smtp.host) == ("https://b.example", "b")
    assert settings.database_url == f"sqlite:///{tmp_path}/var/digest.db"


def test_tokens_name_what_they_were_made_for() -> None:
    token = tokens.reader(KEYS, 41, 1_000_000)
    assert tokens.read_reader(KEYS, token) == tokens.ReaderToken(41, 1_000_000)
    path = tokens.return_path(KEYS, 41, 1_000_000)
    assert tokens.read_return_path(KEYS, path.upper()) == tokens.ReaderToken(41, 1_000_000)
    assert len(f"b+{tokens.return_path(KEYS, 2**31, 2**40)}") <= 64


def test_tokens_of_a_retired_key_verify_and_of_a_removed_one_do_not() -> None:
    old = tokens.reader(KEYS[1:], 1, 2)
    assert tokens.read_reader(KEYS, old) == tokens.ReaderToken(1, 2)
    assert tokens.read_reader(KEYS[:1], old) is None


def test_a_token_serves_one_purpose_and_no_forgery() -> None:
    token = tokens.reader(KEYS, 7, 8)
    path = tokens.return_path(KEYS, 7, 8)
    confirm = tokens.confirm(KEYS, 7, NOW)
    as_path, as_link = (base64.urlsafe_b64decode(token + "==").hex(), base64.urlsafe_b64encode(bytes.fromhex(path)))
    assert tokens.read_return_path(KEYS, as_path) is None
    assert tokens.read_reader(KEYS, as_link.decode().rstrip("=")) is None
    assert tokens.read_reader(KEYS, confirm) is None
    assert tokens.read_confirm(KEYS, token, NOW) is None
    for position in range(len(token)):
        forged = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        assert tokens.read_reader(KEYS, forged) is None
    for junk in ("", "?", "é", "AAAA", token + "=", token + "AAAA"):
        assert tokens.read_reader(KEYS, junk) is None


def test_a_confirmation_ends_after_a_week() -> None:
    token = tokens.confirm(KEYS, 5, NOW)
    assert tokens.read_confirm(KEYS, token, NOW + timedelta(days=7)) == 5
    assert tokens.read_confirm(KEYS, token, NOW + timedelta(days=7, seconds=1)) is None


def test_the_time_is_the_server_s_and_counted_on_while_it_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("a file tells no time")
    seconds = 0.0
    clock = DatabaseClock(database, lambda: seconds)
    began = clock()
    seconds = 50.0
    assert clock() - began == timedelta(seconds=50)
    seconds = 5000.0  # as if this machine had been asleep, say: it is asked again
    assert abs(clock() - began) < timedelta(seconds=50)
    monkeypatch.setattr(database, "read", gone := Mock(side_effect=UnavailableError("away")))
    before, seconds = clock(), 6000.0
    assert clock() - before == timedelta(seconds=1000)
    assert gone.call_count == 1
    with pytest.raises(UnavailableError):
        DatabaseClock(database, lambda: 0.0)()


def test_a_machine_s_wrong_clock_says_nothing_to_a_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.app.clock", lambda: NOW)
    server = not settings.database_url.startswith("sqlite")
    app = App(settings)
    assert (app.now() == NOW) is not server
    if server:
        app.database.dispose()
