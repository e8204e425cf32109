"""``digest init`` and ``digest migrate``: a configuration, a database, and if wished an edition to begin with."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from digest.cli.common import Door, get_app, say
from digest.configuration import keep_private, load
from digest.errors import ConfigError, InputError, StateError
from digest.flows import setup
from digest.settings import Settings

_CONFIG = Path(__file__).with_name("digest.sample.toml")
_SAMPLES = {"edition.toml": "edition.sample.toml", "stories.jsonl": "stories.sample.jsonl"}
_NEXT = "write an edition.toml (docs/editions.md; --sample makes one), digest edition apply edition.toml, digest up"
_NEXT_WITH_SAMPLE = (
    "digest edition apply edition.toml, digest article import stories.jsonl, digest preview daily --open, digest up"
)
_SECURITY = {465: "tls", 25: "none"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What the configuration's template asks for."""

    base_url: str
    database_url: str
    bounce_domain: str
    smtp_host: str
    smtp_port: int
    smtp_security: str
    smtp_username: str
    smtp_password: str


def register(app: typer.Typer) -> None:
    """Put the commands on ``app``."""
    app.command("init", epilog="Example: digest init /srv/news --sample\n\nAnd without questions: digest init --yes")(
        init
    )
    app.command("migrate", epilog="Example: digest migrate")(migrate)


def init(
    ctx: typer.Context,
    directory: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Where; created if missing.")] = None,
    base_url: Annotated[str | None, typer.Option(help="URL of the web pages, as readers reach them.")] = None,
    database_url: Annotated[str | None, typer.Option(help="sqlite:///FILE or postgresql://…")] = None,
    bounce_domain: Annotated[str | None, typer.Option(help="The domain that bounces come back to.")] = None,
    smtp_host: Annotated[str | None, typer.Option(help="Empty: mail stays in the embedded mailbox.")] = None,
    smtp_port: Annotated[str | None, typer.Option(help="587, 465 or 25.")] = None,
    smtp_security: Annotated[str | None, typer.Option(help="starttls, tls or none.")] = None,
    smtp_username: Annotated[str | None, typer.Option(help="Empty: no login.")] = None,
    smtp_password: Annotated[str | None, typer.Option(help="Or set DIGEST_SMTP__PASSWORD at run time.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Use the defaults, without questions.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing configuration; its keys are kept.")
    ] = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="Also write a sample edition.toml and stories.jsonl.")
    ] = False,
) -> None:
    """Write digest.toml and create the database."""
    config = ctx.ensure_object(Door).config
    path = directory / config.name if directory else config
    if path.exists() and not force:
        raise StateError(f"{path} exists", "replace it with --force, or run `digest migrate` for the database only")
    ask = _silent if yes else _Questions()
    host = _first(smtp_host, ask, "SMTP server (empty: the embedded mailbox)", "")
    ask_smtp = ask if host else _silent
    port = _port(_first(smtp_port, ask_smtp, "SMTP port", "587"))
    username = _first(smtp_username, ask_smtp, "SMTP username (empty: no login)", "")
    answers = Answers(
        base_url=_first(base_url, ask, "Where readers reach the web pages", "http://127.0.0.1:8025"),
        database_url=_first(database_url, ask, "Database", "sqlite:///var/digest.db"),
        bounce_domain=_first(bounce_domain, ask, "Domain that bounces come back to (empty: the sender's)", ""),
        smtp_host=host,
        smtp_port=port,
        smtp_security=_first(smtp_security, ask_smtp, "SMTP security", _SECURITY.get(port, "starttls")),
        smtp_username=username,
        smtp_password=_first(smtp_password, _hidden if username and not yes else _silent, "SMTP password", ""),
    )
    try:
        settings = _write(path, answers)
        if sample:
            _write_samples(path.parent)
        keep_private(settings.state_dir)
        _migrate(settings)
    except OSError as error:
        raise InputError(f"can't write {error.filename}: {error.strerror}", "choose another folder") from None
    say("Next: " + (_NEXT_WITH_SAMPLE if sample else _NEXT))


def migrate(ctx: typer.Context) -> None:
    """Create the database's tables, or migrate them to this version."""
    _migrate(get_app(ctx).settings)


Ask = Callable[[str, str], str]


def _first(given: str | None, ask: Ask, question: str, default: str) -> str:
    """What a flag said, or else the answer to the question."""
    return ask(question, default) if given is None else given


def _silent(_question: str, default: str) -> str:
    return default


class _Questions:
    """Asks as long as there is a terminal; without one, as in a container's set-up, the defaults are used."""

    def __init__(self) -> None:
        self._answered = True

    def __call__(self, question: str, default: str) -> str:
        if not self._answered:
            return default
        try:
            return str(typer.prompt(question, default=default, show_default=bool(default), err=True)).strip()
        except typer.Abort:
            if sys.stdin.isatty():
                raise
        self._answered = False
        say("\nno terminal: using defaults, as with --yes")
        return default


def _hidden(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, show_default=False, hide_input=True, err=True))


def _port(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{text!r} is not a valid port", "usual ports are 587, 465 and 25")
    return int(text)


def _write(path: Path, answers: Answers) -> Settings:
    """Write the configuration, complete and checked or not at all, readable by its owner only."""
    values = {name: json.dumps(value, ensure_ascii=False) for name, value in asdict(answers).items()}
    values["secret_keys"] = json.dumps(_kept_keys(path) or [f"a:{secrets.token_hex(32)}"])
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(Template(_CONFIG.read_text(encoding="utf-8")).substitute(values))
    try:
        settings = load(draft)
    except ConfigError as error:
        draft.unlink()
        raise ConfigError(str(path), error.faults, "nothing was written") from None
    draft.replace(path)
    say(f"wrote {path}")
    return settings


def _kept_keys(path: Path) -> list[str]:
    """The keys of the configuration that is replaced: the links in mails already sent live by them."""
    try:
        keys: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("secret_keys")
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise InputError(f"{path} can't be read, so its secret keys would be lost", "move it away first") from None
    return keys if isinstance(keys, list) else []


def _write_samples(folder: Path) -> None:
    for name, sample in _SAMPLES.items():
        path = folder / name
        if path.exists():
            say(f"{path} already exists and was left unchanged")
            continue
        path.write_text(Path(__file__).with_name(sample).read_text(encoding="utf-8"), encoding="utf-8")
        say(f"wrote {path}")


def _migrate(settings: Settings) -> None:
    say(f"the database {setup.migrate(settings.database_url)} is ready")
