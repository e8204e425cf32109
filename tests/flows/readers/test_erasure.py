"""Readers who are erased are gone: from every table, and every file and log of an instance that has sent them mail."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiosmtpd.smtp import Envelope as Handed
from sqlalchemy import inspect, text
from typer.testing import CliRunner

from digest import cli
from digest.cli.common import Door
from digest.flows.readers import audience, choices, erasure, errands, signup
from digest.flows.readers import importing as audience_import
from digest.readers import addresses
from digest.readers.errands import ErrandKind
from digest.readers.subscriptions import Choice
from digest.settings import Settings, SmtpSettings
from digest.smtp.courier import SmtpCourier
from digest.states import DeliveryState
from digest.store.readers import suppressions
from digest.tables import open_csv
from tests.support.smtp_server import Script, SmtpServer
from tests.support.world import World, draft, small_world
from workers.mailbox import Maildir

ANN = "Ann.Lee@exämple.org"
SPELLINGS = ("ann.lee@exämple.org", "ann.lee@xn--exmple-cua.org")
OTHERS = ("joann.lee@xn--exmple-cua.org", "bob@x.example")


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> Iterator[World]:
    log = logging.FileHandler(tmp_path / "everything.log", encoding="utf-8")
    logging.getLogger().addHandler(log)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    yield from small_world(settings)
    logging.getLogger().setLevel(level)
    logging.getLogger().removeHandler(log)
    log.close()


def _everything(world: World, folder: Path) -> Iterator[tuple[str, str]]:
    """Whatever the instance keeps, by where it stands, in lower case."""
    for path in folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes().replace(b"=\r\n", b"").replace(b"=\n", b"")
            yield str(path), raw.decode("utf-8", "replace").lower()
    with world.app.database.read() as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                yield table, str(tuple(row)).lower()


def _found(world: World, folder: Path, words: tuple[str, ...]) -> set[str]:
    kept = "" if OTHERS[0] in words else OTHERS[0]  # which holds the one we look for
    found = ((where, said.replace(kept, "")) for where, said in _everything(world, folder))
    return {where for where, said in found if any(word in said for word in words)}


def _quoting(stage: str, recipient: str, _: int) -> bytes | None:
    """A server that says whom it refuses."""
    if stage != "RCPT" or "bob" in recipient:
        return None
    return f"451 4.2.0 <{recipient}>: Recipient address rejected, {recipient.upper()}".encode()


def _live(world: World, file: Path) -> None:
    """What leaves traces of readers: an import with a line of theirs that was refused, a sign-up, an issue they are
    refused and previewed, kept mail, a suppression with a note."""
    app = world.app
    lines = f"address,name,hour\n{ANN},Ann,\n{OTHERS[0]},,\n{OTHERS[1]},,\n{ANN},Ann,99\n{OTHERS[0]},,99\n"
    table = open_csv(io.StringIO(lines))
    audience_import.import_table(app.database, "tide", table, app.now(), source="import x", agreed="z")
    world.articles(*(draft(number) for number in range(6)))
    issue = world.publish()
    with SmtpServer(Script(reply=_quoting)) as server:
        route = SmtpSettings(host="127.0.0.1", port=server.port, security="none", connections=1)
        with closing(SmtpCourier([route])) as courier:
            world.deliver(courier)
        mail = server.received[0]
    assert len(world.named(issue, DeliveryState.DEFERRED)) == 2
    for recipient in (SPELLINGS[1], OTHERS[1]):
        handed = Handed()
        handed.mail_from, handed.rcpt_tos, handed.content = mail.sender, [recipient], mail.content
        asyncio.run(Maildir(app.mailbox_dir).handle_DATA(None, None, handed))  # type: ignore[arg-type]
    previewed = CliRunner().invoke(
        cli.app, ["preview", "tide", "--as", ANN, "--out", str(app.settings.state_dir / "preview")], obj=Door(app=app)
    )
    assert previewed.exit_code == 0, previewed.output
    ann = choices.person(addresses.normalise(ANN))
    signup.ask(app.database, "tide", signup.SignUp(ann, Choice("daily")), app.now())
    errands.ask(app.database, ErrandKind.MOVE, world.subscription(OTHERS[1]).id, app.now(), ann.address)
    audience.suppress(app.database, ANN, app.now(), note=f"{ANN} called")


def test_after_erasing_no_table_file_or_log_holds_the_address(world: World, tmp_path: Path) -> None:
    _live(world, tmp_path)
    before = _found(world, tmp_path, SPELLINGS)
    assert {"subscribers", "suppressions", "import_rejects", "sign_up_requests", "errands"} < before
    assert {Path(where).suffix for where in before} >= {".eml"}
    done = erasure.erase(world.app.database, world.app.settings.state_dir, ANN, world.app.now())
    assert done.known and done.log_is_clean and done.files >= 2
    assert _found(world, tmp_path, SPELLINGS) == set()
    with world.app.database.read() as connection:
        kept = suppressions.find(connection, addresses.key(addresses.normalise(ANN)))
        assert kept and (kept.address, kept.note) == (None, "")


def test_a_list_that_still_names_a_reader_leaves_no_trace_of_them(world: World, tmp_path: Path) -> None:
    _live(world, tmp_path)
    erasure.erase(world.app.database, world.app.settings.state_dir, ANN, world.app.now())
    table = open_csv(io.StringIO(f"address,name\n{ANN},Ann\n"))
    done = audience_import.import_table(world.app.database, "tide", table, world.app.now(), source="x", agreed="z")
    assert done.rejected == 1 and "erased" in done.first_rejected[0].reason
    assert _found(world, tmp_path, SPELLINGS) == set()


def test_erasing_one_leaves_the_others(world: World, tmp_path: Path) -> None:
    _live(world, tmp_path)
    erasure.erase(world.app.database, world.app.settings.state_dir, ANN, world.app.now())
    assert [world.subscription(address).state for address in OTHERS] == ["active", "active"]
    assert "import_rejects" in _found(world, tmp_path, OTHERS[:1])
    (record, *_) = audience_import.past(world.app.database)
    assert [one.line for one in audience_import.rejects(world.app.database, record.id)[1]] == [6]
    assert len(list((world.app.mailbox_dir / "new").iterdir())) == 1


def test_no_import_brings_an_erased_reader_back(world: World, tmp_path: Path) -> None:
    _live(world, tmp_path)
    state_dir = world.app.settings.state_dir
    erasure.erase(world.app.database, state_dir, ANN, world.app.now())
    rows = open_csv(["address", ANN]).records
    done = audience_import.import_subscribers(world.app.database, "tide", rows, world.app.now(), source="x")
    assert done.first_rejected[0].reason == "was erased, so nothing of the line is kept"
    assert not erasure.erase(world.app.database, state_dir, "unknown@x.example", world.app.now()).known


@pytest.mark.parametrize(
    "line",
    [
        f"{ANN},Ann,99",
        f"{ANN.upper()} ,Ann,25",
        f"'{SPELLINGS[1]}',Ann,",
        f"not an address,{SPELLINGS[0]},",
        f"nobody|{SPELLINGS[1]}|Ann",
        f'"<{SPELLINGS[1]}>",Ann,99',
        f"{ANN},Ann,1,2,3",
    ],
)
def test_nothing_is_kept_of_an_erased_readers_line_whatever_else_is_wrong_with_it(
    world: World, tmp_path: Path, line: str
) -> None:
    app = world.app
    erasure.erase(app.database, app.settings.state_dir, ANN, app.now())
    table = open_csv(io.StringIO(f"address,name,hour\n{line}\n{OTHERS[0]},,99\n"))
    done = audience_import.import_table(app.database, "tide", table, app.now(), source="import x", agreed="z")
    assert [one.raw for one in done.first_rejected] == ["", f"{OTHERS[0]},,99"]
    assert _found(world, tmp_path, SPELLINGS) == set()
