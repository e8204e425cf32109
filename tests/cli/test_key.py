"""Keys that are rotated, and mails that unsubscribe."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from digest import cli
from digest.app import App
from digest.cli.common import Door
from digest.configuration import load
from digest.errors import InputError, StateError
from digest.feedback import unsubscribe_mail
from digest.readers import tokens
from digest.store.content import editions
from digest.store.database import Database
from digest.store.readers import subscribers
from tests.conftest import KEY, NOW
from tests.flows.readers.test_audience import _active
from tests.mail.test_message import parse
from tests.support.morning import EDITION

CONFIG = f"""# ours
base_url = "https://news.example.org"
secret_keys = ["{KEY}"]  # by init
[smtp]
host = ""
"""


def _run(path: Path, *words: str, app: App | None = None, stdin: bytes = b"") -> str:
    result = CliRunner().invoke(cli.app, ["--config", str(path), *words], obj=Door(app=app), input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "digest.toml"
    path.write_text(CONFIG, encoding="utf-8")
    path.chmod(0o640)
    return path


def test_rotating_twice_leaves_old_links_their_way_out(config: Path) -> None:
    first = tokens.reader(load(config).keys, 7, 41)
    _run(config, "key", "rotate")
    settings = load(config)
    assert [kid for kid, _ in settings.keys] == ["b", "a"]
    assert tokens.reader(settings.keys, 7, 41) != first
    assert tokens.read_reader(settings.keys, first) == tokens.ReaderToken(7, 41)
    _run(config, "key", "rotate")
    settings = load(config)
    assert ([kid for kid, _ in settings.keys], [kid for kid, _ in settings.all_keys]) == (["c", "b"], ["c", "b", "a"])
    assert tokens.read_reader(settings.keys, first) is None
    assert tokens.read_reader(settings.all_keys, first) == tokens.ReaderToken(7, 41)
    told = _run(config, "key", "list")
    assert "unsubscribe links only" in told and KEY[2:] not in told
    text = config.read_text(encoding="utf-8")
    assert text.startswith("# ours\n") and tomllib.loads(text)["smtp"] == {"host": ""}
    assert config.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in config.parent.iterdir() if path.is_file()) == ["digest.toml"]


def test_a_leaked_key_is_good_for_leaving_only_at_once(config: Path) -> None:
    _run(config, "key", "rotate", "--leaked")
    assert [kid for kid, _ in load(config).keys] == ["b"]
    assert [kid for kid, _ in load(config).all_keys] == ["b", "a"]


@pytest.mark.parametrize("text", [CONFIG.replace('["a', '[\n  "a'), CONFIG.replace("# by init", "")])
def test_a_list_on_several_lines_is_found_too(config: Path, text: str) -> None:
    config.write_text(text, encoding="utf-8")
    _run(config, "key", "rotate")
    assert len(load(config).keys) == 2


def test_what_can_not_be_rewritten_is_left_alone(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = CONFIG.replace("secret_keys", '"secret_keys"')
    config.write_text(odd, encoding="utf-8")
    with pytest.raises(InputError, match="can't be found"):
        _run(config, "key", "rotate")
    assert config.read_text(encoding="utf-8") == odd
    monkeypatch.setenv("DIGEST_SECRET_KEYS", f'["{KEY}"]')
    with pytest.raises(StateError, match="environment"):
        _run(config, "key", "rotate")


def test_key_ids_are_told_apart_and_old_keys_may_not_come_back(config: Path) -> None:
    config.write_text(CONFIG.replace("[smtp]", f'old_keys = ["{KEY}"]\n[smtp]'), encoding="utf-8")
    with pytest.raises(Exception, match="stands twice"):
        load(config)


# ------------------------------------------------------------------------------------- unsubscribe mails


def _mail(subject: str) -> bytes:
    return f"From: ann@example.org\r\nTo: leave@example.org\r\nSubject: {subject}\r\n\r\nhello\r\n".encode()


def test_a_mail_unsubscribes_by_the_token_in_its_subject() -> None:
    keys = (("a", b"k" * 32),)
    token = tokens.reader(keys, 7, 41)
    names = tokens.ReaderToken(7, 41)
    for subject in (f"leave {token}", f"Re: leave  {token}", token, f"=?utf-8?q?leave_{token.replace('_', '=5F')}?="):
        assert unsubscribe_mail.reader_of(keys, _mail(subject)) == names, subject
    for mail in (
        _mail("leave " + token[:-2] + "AA"),
        _mail("leave"),
        b"",
        b"\xff\x00",
        _mail("=?x?b?"),
        b"Subject\r\n",
        _mail("x" * 1000 + " " + token),
        b"X-Long: " + b"x" * 40_000 + b"\r\n" + _mail(token),
        _mail("=?utf-8?q?" * 20_000),
        _mail("=?utf-8?b?" + "/" * 200_000 + "?="),
    ):
        begun = time.process_time()
        assert unsubscribe_mail.reader_of(keys, mail) is None
        assert time.process_time() - begun < 1


def test_a_maildir_is_read_and_what_was_done_is_put_aside(app: App, database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        editions.save(connection, EDITION, NOW)
    ann, bob = _active(database), _active(database, "bob@example.org")
    new = tmp_path / "mail" / "new"
    new.mkdir(parents=True)
    for _ in range(2):
        (new / "1.eml").write_bytes(_mail(f"leave {tokens.reader(app.settings.keys, 0, ann.id)}"))
        (new / "2.eml").write_bytes(_mail("a letter to the editor"))
        said = _run(tmp_path, "feedback", "read", str(tmp_path / "mail"), app=app)
        assert "mails read: 2 (unsubscribed: 1, left for a person: 1)" in said
        assert [path.name for path in (tmp_path / "mail" / "cur").iterdir()] == ["1.eml:2,S"]
        assert [path.name for path in new.iterdir()] == ["2.eml"]
    mail = _mail(f"leave {tokens.reader(app.settings.keys, 0, bob.id)}")
    _run(tmp_path, "feedback", "read", "-", app=app, stdin=mail)
    with database.read() as connection:
        assert {str(one.state) for one in subscribers.listing(connection)} == {"unsubscribed"}


def test_the_header_names_the_mailbox_behind_the_page(app: App) -> None:
    from digest.editorial import variants
    from digest.mail import personalise
    from digest.values import Reader
    from tests.support import samples

    content = samples.content()
    app.settings = app.settings.model_copy(update={"leave_address": "leave@news.example.org"})
    compiled = app.compiled(content)
    press = personalise.Press(compiled, app.settings.keys, "bounces.example.org", 90_000)
    envelope = press.message(variants.choose(content, None, None), Reader(7, 41, "ann@example.org"), NOW)
    token = tokens.reader(app.settings.keys, 7, 41)
    page, mailto = parse(envelope.message)["List-Unsubscribe"].split(",")
    assert page == f"<https://news.example.org/u/{token}>"
    assert mailto.strip() == f"<mailto:leave@news.example.org?subject=leave%20{token}>"
    lines = [line for line in envelope.message.split(b"\r\n") if b"mailto:leave" in line]
    assert len(lines) == 1 and len(lines[0]) < 130
