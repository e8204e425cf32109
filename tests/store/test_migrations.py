"""What an earlier version wrote is kept, and migrations make the tables that are declared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.exc import IntegrityError

from digest.look import Colours, Look
from digest.states import Obstacle
from digest.store import database as database_module
from digest.store import schema
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import issues
from digest.store.readers import consent

FIRST = "0001"
AT = "2026-11-23 06:00:00"
ROWS = [
    "INSERT INTO feeds (id, name) VALUES (1, 'tide')",
    f"INSERT INTO stories (id, intake, first_seen_at) VALUES (1, 1, '{AT}')",
    f"""INSERT INTO articles (id, feed_id, story_id, intake, first_seen_at, content_key, title, kind)
        VALUES (1, 1, 1, 1, '{AT}', 'k', 'The tide turns', 'news')""",
    "INSERT INTO article_keys (feed_id, key, article_id) VALUES (1, 'k', 1)",
    f"INSERT INTO editions (id, name, spec, applied_at) VALUES (1, 'world', '{{\"name\": \"world\"}}', '{AT}')",
    """INSERT INTO sections (id, edition_id, key, position, title, rule, count, match, optional)
       VALUES (1, 1, 'top', 0, 'Top', 'lead', 3, '[]', 0)""",
    "INSERT INTO edition_feeds (edition_id, feed_id, position) VALUES (1, 1, 0)",
    f"INSERT INTO subscribers (id, address, address_key, created_at) VALUES (1, 'ana@x.example', 'a', '{AT}')",
    f"""INSERT INTO subscriptions (id, subscriber_id, edition_id, state, cadence, covered_until, created_at)
        VALUES (1, 1, 1, 'active', 'daily', 1, '{AT}')""",
    f"INSERT INTO consent_events (id, subscription_id, kind, at, source) VALUES (1, 1, 'confirmed', '{AT}', 'link')",
    f"""INSERT INTO schedules (id, edition_id, cadence, cron, time_zone, created_at)
        VALUES (1, 1, 'daily', '0 7 * * *', 'UTC', '{AT}')""",
    f"""INSERT INTO issues (id, edition_id, cadence, slot, state, covers_from, covers_until, created_at)
        VALUES (1, 1, 'daily', '{AT}', 'sending', 0, 1, '{AT}')""",
    "INSERT INTO issue_content (issue_id, compiled) VALUES (1, '{}')",
    "INSERT INTO batches (issue_id, number) VALUES (1, 1)",
    "INSERT INTO deliveries (issue_id, subscription_id, batch, state) VALUES (1, 1, 1, 'accepted')",
    f"INSERT INTO suppressions (address_key, address, reason, at) VALUES ('b', 'bob@x.example', 'bounce', '{AT}')",
    f"INSERT INTO feedback_events (id, issue_id, subscription_id, kind, at) VALUES (1, 1, 1, 'bounce', '{AT}')",
]


@pytest.fixture
def empty(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Database]:
    """A database of the same kind as ``database``, without tables."""
    if database.dialect == "sqlite":
        yield from _opened(f"sqlite:///{tmp_path}/empty.db")
        return
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(request.getfixturevalue("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield from _opened(database.url.set(database=name).render_as_string(hide_password=False))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.dispose()


def as_version(database: Database, version: str) -> None:
    """The tables of an earlier version."""
    config = Config()
    config.set_main_option("script_location", str(Path(database_module.__file__).with_name("migrations")))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def test_what_the_first_version_wrote_is_kept(empty: Database) -> None:
    as_version(empty, FIRST)
    with empty.write() as connection:
        for statement in ROWS:
            connection.execute(text(statement))
    with empty.read() as connection:
        before = _contents(connection)
    assert all(len(rows) == 1 for rows in before.values()), "a row in every table of the first version"
    empty.migrate()
    empty.check()
    with empty.read() as connection:
        after = _contents(connection)
    for table, (row,) in before.items():
        (kept,) = after[table]
        assert {name: kept[name] for name in row} == row, table


@pytest.mark.parametrize(("accent", "kept"), [("#aa0033", "#aa0033"), ("#0b5394", "")])
def test_an_edition_keeps_the_colour_that_its_first_version_had(empty: Database, accent: str, kept: str) -> None:
    as_version(empty, FIRST)
    spec = {
        "name": "world",
        "title": "World",
        "locale": "en",
        "time_zone": "UTC",
        "sender": ["World", "news@world.example"],
        "postal_address": "4 Quay Street",
        "accent": accent,
    }
    with empty.write() as connection:
        row = {"id": 1, "spec": json.dumps(spec), "at": AT}
        connection.execute(
            text("INSERT INTO editions (id, name, spec, applied_at) VALUES (:id, 'world', :spec, :at)"), row
        )
    empty.migrate()
    with empty.read() as connection:
        assert editions.get(connection, "world").look == Look(light=Colours(accent=kept))


def test_what_a_sentence_said_before_is_a_value(empty: Database) -> None:
    as_version(empty, "0004")
    told = {
        1: ("scheduled", "can't be composed: ZeroDivisionError: division by zero"),
        2: ("scheduled", "nothing new yet"),
        3: ("scheduled", ""),
        4: ("cancelled", "can't be composed: its template was mended too late"),
    }
    of_addresses = {
        1: ("link", "a new address"),
        2: ("operator", "no longer suppressed"),
        3: ("import a.csv", "a new address"),
        4: ("link", "weekly"),
    }
    with empty.write() as connection:
        for statement in ROWS:
            if statement.split()[2] in {"editions", "subscribers", "subscriptions"}:
                connection.execute(text(statement))
        for id_, (state, reason) in told.items():
            issue = {"id": id_, "slot": f"2026-11-2{id_} 06:00:00", "at": AT, "state": state, "reason": reason}
            connection.execute(text(_AN_ISSUE), issue)
        for id_, (source, detail) in of_addresses.items():
            connection.execute(text(_AN_EVENT), {"id": id_, "at": AT, "source": source, "detail": detail})
    empty.migrate()
    with empty.read() as connection:
        found = {id_: issues.get(connection, id_) for id_ in told}
        events = [(one["kind"], one["detail"]) for one in consent.events(connection, 1)]
    assert {id_: (one.obstacle, one.reason) for id_, one in found.items() if one} == {
        1: (Obstacle.BROKEN, told[1][1]),
        2: (Obstacle.NOTHING_NEW, told[2][1]),
        3: (None, ""),
        4: (None, told[4][1]),
    }
    assert events == [("moved", ""), ("unsuppressed", ""), ("preferences", "a new address"), ("preferences", "weekly")]
    with pytest.raises(IntegrityError), empty.write() as connection:
        connection.execute(text("UPDATE consent_events SET kind = 'invented'"))


_AN_ISSUE = """INSERT INTO issues (id, edition_id, cadence, slot, state, reason, created_at)
               VALUES (:id, 1, 'daily', :slot, :state, :reason, :at)"""
_AN_EVENT = """INSERT INTO consent_events (id, subscription_id, kind, at, source, detail)
               VALUES (:id, 1, 'preferences', :at, :source, :detail)"""


def test_migrations_make_the_tables_that_are_declared(empty: Database, database: Database) -> None:
    with empty.write() as connection:
        schema.metadata.create_all(connection)
    declared, migrated = _shape(empty), _shape(database)
    assert migrated.keys() - {"alembic_version"} == declared.keys()
    for table, shape in declared.items():
        assert migrated[table] == shape, table


def _contents(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    found = MetaData()
    found.reflect(connection)
    return {
        name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for name, table in found.tables.items()
        if name not in {"alembic_version", "counters"}
    }


def _shape(database: Database) -> dict[str, dict[str, Any]]:
    """What tables are made of, in a form that can be compared."""
    found = inspect(database.engine)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in found.get_columns(name)
            },
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "foreign": sorted(map(str, found.get_foreign_keys(name))),
            "unique": sorted(str(unique["column_names"]) for unique in found.get_unique_constraints(name)),
            "checks": sorted((str(check["name"]), check["sqltext"]) for check in found.get_check_constraints(name)),
            "indexes": sorted(map(_index, found.get_indexes(name))),
            "options": {k: v for k, v in found.get_table_options(name).items() if k != "sqlite_autoincrement"},
        }
        for name in found.get_table_names()
    }


def _index(found: Any) -> str:
    options = {name: str(value) for name, value in found.get("dialect_options", {}).items()}
    return str({**found, "dialect_options": options})
