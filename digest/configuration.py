"""The settings read: ``digest.toml`` under ``DIGEST_*`` environment variables; every fault at once, with its place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from digest.errors import ConfigError, NotFoundError, UnavailableError
from digest.settings import Settings, SmtpSettings

_ENVIRONMENT = "the environment"


def load(path: Path) -> Settings:
    """Read ``path`` (the environment wins) and return the settings; paths in it are relative to its folder.

    Raises ``NotFoundError`` when there is no such file and ``ConfigError`` with all faults when it is wrong.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"no configuration at {path}", "run `digest init` there, or give --config FILE") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [str(error)], "mend the TOML") from None
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from None
    try:
        settings = Settings(**raw)
    except ValidationError as error:
        variables = [_variable(item["loc"]) for item in error.errors()]
        place = _ENVIRONMENT if all(variables) else str(path)
        raise ConfigError(
            place, [_fault(item, name) for item, name in zip(error.errors(), variables, strict=True)]
        ) from None
    except SettingsError as error:  # JSON is wanted, for a list or a table
        raise ConfigError(_ENVIRONMENT, [str(error)], "write it as JSON") from None
    settings = settings.model_copy(update=_anchored(settings, path.resolve().parent))
    if settings.templates_dir and not settings.templates_dir.is_dir():
        variable = _variable(("templates_dir",))
        fault = f"{variable or 'templates_dir'}: there is no folder {settings.templates_dir}"
        raise ConfigError(_ENVIRONMENT if variable else str(path), [fault], "make it, or leave it out")
    return settings


def keep_private(state_dir: Path) -> None:
    """Make ``state_dir``, where readers' addresses lie in the database, in mails and in journals, and close it to
    strangers of this machine. A group that was let in stays."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = state_dir.stat().st_mode & 0o777
        if mode & 0o007:
            state_dir.chmod(mode & ~0o007)
    except PermissionError:  # somebody else's: it is theirs to close, and what we write there is private all the same
        return
    except OSError as error:
        raise UnavailableError(
            f"the folder {state_dir} can't be made ({error.strerror})", "make it, or set another state_dir"
        ) from None


def _variable(place: Sequence[int | str]) -> str:
    """The environment variable that gives a setting; "": none does."""
    there = {name.upper(): name for name, value in os.environ.items() if value}
    names = ("DIGEST_" + "__".join(map(str, place[:count])).upper() for count in range(len(place), 0, -1))
    return next((there[name] for name in names if name in there), "")


def _fault(item: Any, variable: str) -> str:
    where = variable or ".".join(str(part) for part in item["loc"]) or "file"
    if item["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    if item["type"] == "missing":
        return f"{where}: is required"
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message}"


def _anchored_route(route: SmtpSettings, folder: Path) -> SmtpSettings:
    return route.model_copy(update={"ca_file": folder / route.ca_file}) if route.ca_file else route


def _anchored(settings: Settings, folder: Path) -> dict[str, Any]:
    """The settings that hold paths, made absolute from the configuration's folder."""
    update: dict[str, Any] = {"state_dir": folder / settings.state_dir}
    if settings.templates_dir:
        update["templates_dir"] = folder / settings.templates_dir
    update["smtp"] = _anchored_route(settings.smtp, folder)
    update["smtp_routes"] = tuple(_anchored_route(route, folder) for route in settings.smtp_routes)
    if settings.dkim:
        update["dkim"] = tuple(key.model_copy(update={"key_file": folder / key.key_file}) for key in settings.dkim)
    back = settings.feedback
    maildir = folder / back.maildir if back.maildir else None
    imap = back.imap.model_copy(update={"ca_file": folder / back.imap.ca_file}) if back.imap.ca_file else back.imap
    update["feedback"] = back.model_copy(update={"maildir": maildir, "imap": imap})
    prefix = "sqlite:///"
    if settings.database_url.startswith(prefix):
        update["database_url"] = prefix + str(folder / settings.database_url.removeprefix(prefix))
    return update
