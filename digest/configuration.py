"""The settings read: ``digest.toml`` under ``DIGEST_*`` environment variables; every fault at once, with its place."""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from digest.errors import ConfigError, NotFoundError, UnavailableError
from digest.settings import Environment, Settings
from digest.settings.moved import MOVED, found, holds, renamed
from digest.settings.part import Anchored

log = logging.getLogger(__name__)

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
        raise ConfigError(str(path), [str(error)], "correct the TOML") from None
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from None
    try:
        _report_moved(path, raw)
        settings = Settings(**renamed(raw))
    except ValidationError as error:
        variables = [_variable(item["loc"]) for item in error.errors()]
        place = _ENVIRONMENT if all(variables) else str(path)
        raise ConfigError(
            place, [_fault(item, name) for item, name in zip(error.errors(), variables, strict=True)]
        ) from None
    except SettingsError as error:  # JSON is wanted, for a list or a table
        raise ConfigError(_ENVIRONMENT, [str(error)], "write the value as JSON") from None
    settings = _anchored(settings, path.resolve().parent)
    if settings.templates_dir and not settings.templates_dir.is_dir():
        variable = _variable(("templates_dir",))
        fault = f"{variable or 'templates_dir'}: there is no folder {settings.templates_dir}"
        raise ConfigError(_ENVIRONMENT if variable else str(path), [fault], "create it, or remove the setting")
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
            f"the folder {state_dir} can't be created ({error.strerror})", "create it, or set another state_dir"
        ) from None


def _variable(place: Sequence[int | str]) -> str:
    """The environment variable that gives a setting; "": none does."""
    there = {name.upper(): name for name, value in os.environ.items() if value}
    older = [old for old, new in MOVED.items() if new == tuple(place)]
    names = (
        "DIGEST_" + "__".join(map(str, at[:count])).upper() for at in (place, *older) for count in range(len(at), 0, -1)
    )
    return next((there[name] for name in names if name in there), "")


def _fault(item: Any, variable: str) -> str:
    where = variable or ".".join(str(part) for part in item["loc"]) or "file"
    if item["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    if item["type"] == "missing":
        return f"{where}: is required"
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message}"


def _report_moved(path: Path, raw: Mapping[str, Any]) -> None:
    """Warn of each setting that is given under an old name. Raises ``ConfigError`` where the new one is given, too."""
    variables = Environment(Settings).raw()
    given = [(raw, _in_file), (variables, _in_environment)]
    faults, warnings = [], []
    for source, named in given:
        for old, new in found(source):
            doubled = next((name(new) for other, name in given if holds(other, new)), "")
            if doubled:
                faults.append(f"{named(old)} is the old name of {doubled}, and both are given: remove {named(old)}")
            else:
                warnings.append(f"{named(old)} is an old name: use {named(new)}")
    if faults:
        raise ConfigError(str(path), faults)
    for warning in warnings:
        log.warning("%s", warning)


def _in_file(place: tuple[str, str]) -> str:
    return ".".join(place)


def _in_environment(place: tuple[str, str]) -> str:
    return "DIGEST_" + "__".join(place).upper()


_Model = TypeVar("_Model", bound=BaseModel)


def _anchored(model: _Model, folder: Path) -> _Model:
    """``model`` and the models within with every setting absolute whose type says that it is a path (``Anchored``)."""
    update = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        mark = next(_marks(field), None)
        update[name] = _absolute(value, mark, folder) if mark else _within(value, folder)
    return model.model_copy(update=update)


def _within(value: Any, folder: Path) -> Any:
    if isinstance(value, BaseModel):
        return _anchored(value, folder)
    if isinstance(value, tuple):
        return tuple(_within(item, folder) for item in value)
    if isinstance(value, Mapping):
        return {key: _within(item, folder) for key, item in value.items()}
    return value


def _absolute(value: Any, mark: Anchored, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, str) and mark.prefix and value.startswith(mark.prefix):
        return mark.prefix + str(folder / value.removeprefix(mark.prefix))
    return value


def _marks(field: FieldInfo) -> Iterator[Anchored]:
    """The marks of a type: its own, or of one of those it may be, as in ``FilePath | None``."""
    for part in (field.metadata, *(getattr(kind, "__metadata__", ()) for kind in get_args(field.annotation))):
        yield from (mark for mark in part if isinstance(mark, Anchored))
