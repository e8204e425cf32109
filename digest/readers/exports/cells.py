"""What single cells of an export say: times, addresses, JSON, tags, as the products write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from digest.tables import unguarded

_MAX_PROOF = 60  # characters of a time that is none we can read


def full_name(said: Mapping[str, str]) -> str:
    """A name that stands in parts."""
    parts = (unguarded(said.get(name, "")) for name in ("first_name", "middle_name", "last_name"))
    return " ".join(part for part in parts if part and part != "-")


def proof(said: Mapping[str, str]) -> tuple[str, str]:
    """When the reader signed up and confirmed, in words, and from where."""
    told = [
        f"{words} {_time(said[name])}"
        for name, words in (("consent_at", "signed up"), ("confirmed_at", "confirmed"))
        if said.get(name)
    ]
    places = (_ip(said.get(name, "")) for name in ("confirmed_ip", "consent_ip"))
    return ", ".join(told), next(filter(None, places), "")


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return " ".join(text.split())[:_MAX_PROOF]
    if len(text) <= len("2026-12-01"):
        return f"{moment:%Y-%m-%d}"
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M:%S} UTC"


def _ip(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return ""


def attributes(text: str) -> Mapping[str, Any]:
    """A JSON object; empty for what is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def word(value: object) -> str:
    """A value of JSON as a row says it; "" for what no field holds."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | str):
        return str(value)
    if isinstance(value, list):
        return ", ".join(filter(None, map(word, value)))
    return ""


def tags(text: str) -> list[str]:
    """Tags as products write them: separated by commas or semicolons, in quotes, or a JSON list."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return [tag for each in found if (tag := word(each).strip())]
    parts = text.replace(";", ",").split(",")
    return list(dict.fromkeys(tag for part in parts if (tag := part.strip().strip('"').strip())))
