"""Posted forms, urlencoded or multipart, as plain text fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

_MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Form:
    """What was posted. Uploaded files and other kinds of body count as nothing."""

    fields: Mapping[str, Sequence[str]]

    def first(self, name: str) -> str:
        return next(iter(self.fields.get(name, ())), "")

    def every(self, name: str) -> Sequence[str]:
        return self.fields.get(name, ())


async def _form(request: Request) -> Form:
    body = await request.body()  # raises 413 when it is too long
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return Form(await _multipart(request))
    if kind != "application/x-www-form-urlencoded":
        return Form({})
    try:
        text = body.decode("utf-8", "replace")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:  # more fields than that
        return Form({})


async def _multipart(request: Request) -> Mapping[str, Sequence[str]]:
    fields: dict[str, list[str]] = {}
    try:
        async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    fields.setdefault(name, []).append(value)
    except HTTPException:  # malformed: a one-click must work all the same, and a form says what it lacks
        return {}
    return fields


Posted = Annotated[Form, Depends(_form)]
