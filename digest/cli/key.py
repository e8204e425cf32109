"""``digest key``: the keys that sign the links in mails."""

from __future__ import annotations

import json
import os
import re
import secrets
import string
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.common import Door, get_app, say, show_table
from digest.configuration import load
from digest.errors import InputError, StateError

app = typer.Typer()
_IDS = string.ascii_lowercase + string.digits + string.ascii_uppercase
_ARRAY = r"^{name}[ \t]*=[ \t]*\[[^\]]*\][^\n]*$"  # a secret holds no bracket where `digest init` or this made it


@app.command("list", epilog="Example: digest key list")
def list_(ctx: typer.Context) -> None:
    """The keys by ID, without their secrets."""
    settings = get_app(ctx).settings
    rows = [
        (kid, "signs, and verifies every link" if n == 0 else "verifies everything")
        for n, (kid, _) in enumerate(settings.keys)
    ]
    rows += [(kid, "verifies unsubscribe links only") for kid, _ in settings.all_keys[len(settings.keys) :]]
    show_table(("key", "use"), rows, "Keys")


@app.command("rotate", epilog="Example: digest key rotate")
def rotate(
    ctx: typer.Context,
    leaked: Annotated[
        bool, typer.Option("--leaked", help="The keys leaked: from now on they are valid only for unsubscribing.")
    ] = False,
) -> None:
    """Put a new signing key in front in digest.toml.

    The previous key still verifies every link. Older keys verify only what must never expire: unsubscribe links, and
    the addresses bounces come back to. So unsubscribing works from every mail ever sent.
    """
    path = ctx.ensure_object(Door).config
    get_app(ctx)  # it is read and right
    if any(name in os.environ for name in ("DIGEST_SECRET_KEYS", "DIGEST_OLD_KEYS")):
        raise StateError("the keys are set in the environment", "add a new one at the front of DIGEST_SECRET_KEYS")
    text = path.read_text(encoding="utf-8")
    was: dict[str, Any] = tomllib.loads(text)
    keys, old = was["secret_keys"], was.get("old_keys", [])
    kid = _new_id([*keys, *old])
    kept = 0 if leaked else 1
    new = {
        "secret_keys": [f"{kid}:{secrets.token_hex(32)}", *keys[:kept]],
        "old_keys": [*keys[kept:], *old],
    }
    _replace(path, _written(text, was, new))
    say(f"wrote {path}: key {kid} signs from now on")
    say(
        "Copy it to every machine. Restart `digest web` everywhere first, then the workers: "
        "the pages must know the new key before mails are signed with it."
    )
    if leaked:
        say("Preferences and confirmation links in mails already sent no longer work; unsubscribe links still do.")


def _new_id(keys: list[str]) -> str:
    taken = {key[:1] for key in keys}
    free = next((kid for kid in _IDS if kid not in taken), None)
    if free is None:
        raise StateError("all 62 key ids are in use", "remove old_keys of mails that are too old to matter")
    return free


def _written(text: str, was: dict[str, Any], new: dict[str, list[str]]) -> str:
    """``text`` with the new keys and all else as it was, comments too. Raises ``InputError`` where that can't be."""
    changed = _set(text, "secret_keys", new["secret_keys"])
    if new["old_keys"] and "old_keys" not in was:
        changed = re.sub(r"^(secret_keys[^\n]*\n)", lambda m: f"{m[1]}old_keys = []\n", changed, count=1, flags=re.M)
    if new["old_keys"]:
        changed = _set(changed, "old_keys", new["old_keys"])
    wanted = {**was, **{name: keys for name, keys in new.items() if keys}}
    try:
        done = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        done = False
    if not done:
        raise InputError("the keys can't be found in the configuration", "write secret_keys = [...] as one plain list")
    return changed


def _set(text: str, name: str, keys: list[str]) -> str:
    line = f"{name} = {json.dumps(keys)}"
    return re.sub(_ARRAY.format(name=name), lambda _: line, text, count=1, flags=re.M)


def _replace(path: Path, text: str) -> None:
    """Write it wholly or not at all, readable by its owner only, and read it back before it takes the old one's
    place."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        load(draft)
        was = path.stat()
        os.chown(draft, was.st_uid, was.st_gid)
        draft.chmod(was.st_mode & 0o777)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror}", "run it as the owner of the file") from None
    finally:
        draft.unlink(missing_ok=True)
