"""``digest doctor``: is everything there that mail depends on?"""

from __future__ import annotations

import stat

import typer

from digest.cli.common import Door, Json, get_app, say, show_json, show_table
from digest.doctor import Finding, Verdict, examine


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog="Examples: digest doctor\n\ndigest doctor --json")(doctor)


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Check configuration, keys, mail servers, database, broker, workers, pages and DNS.

    Each result is ok, warn or fail, with what to do about it. The exit code is 1 if a check fails.
    """
    app, door = get_app(ctx), ctx.ensure_object(Door)
    found = [_configuration(door), *examine(app)]
    failed = sum(finding.verdict is Verdict.FAIL for finding in found)
    if json:
        show_json(found)
    else:
        show_table(("", "what", "seen"), [(f.verdict, f.what, f.seen) for f in found], "Doctor")
        for finding in found:
            if finding.advice:
                say(f"{finding.verdict}: {finding.what}: {finding.advice}")
        warned = sum(finding.verdict is Verdict.WARN for finding in found)
        say(f"{len(found) - failed - warned} ok, {warned} warnings, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _configuration(door: Door) -> Finding:
    """It was read, or we would not be here; what is left to ask is who else may read it."""
    path = door.config
    if path.exists() and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        seen = f"{path} holds secrets, and every user of this machine can read it"
        return Finding("configuration", Verdict.WARN, seen, f"chmod o= {path}")
    return Finding("configuration", Verdict.OK, f"{path} is valid")
