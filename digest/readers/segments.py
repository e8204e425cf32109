"""Segments: readers chosen by what is known of them, said in a line such as
``cadence = daily and zone like Europe/% and not clicked within 90 days``.

``parse`` makes a tree of tests whose values have the type of what they are compared with; the database looks for
readers by that tree, never by the text. docs/subscribers.md says what can be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digest.errors import InputError
from digest.readers import fields
from digest.readers.fields import Value
from digest.settings import FieldType

OWN = "fields."  # what begins so is one of the publisher's own fields
ATTRIBUTES: Mapping[str, FieldType] = {
    "cadence": FieldType.TEXT,
    "section": FieldType.TEXT,
    "locale": FieldType.TEXT,
    "zone": FieldType.TEXT,
    "hour": FieldType.NUMBER,
    "name": FieldType.TEXT,
    "domain": FieldType.TEXT,
    "signed_up": FieldType.DATE,
    "clicked": FieldType.DATE,
}
_ORDERED = frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "empty"})
_OPERATORS = {
    FieldType.TEXT: frozenset({"=", "!=", "in", "like", "empty"}),
    FieldType.NUMBER: _ORDERED,
    FieldType.DATE: _ORDERED,
    FieldType.YES_NO: frozenset({"=", "!=", "empty"}),
}
_SPECIAL = {
    "section": frozenset({"=", "!=", "in"}),
    "domain": frozenset({"=", "!=", "in", "like"}),
    "signed_up": frozenset({"=", "!=", "<", "<=", ">", ">=", "within"}),
    "clicked": frozenset({"within"}),
}
_TOKEN = re.compile(r'\s*(?:(<=|>=|!=|[=<>(),])|"([^"]*)"|([^\s=<>!(),"]+))')
_LONGEST, _DEEPEST, _MOST_DAYS = 1000, 20, 3650


@dataclass(frozen=True, slots=True)
class Question:
    """One question: an attribute of type ``kind`` against values (none for ``empty``, days for ``within``)."""

    name: str
    kind: FieldType
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Node, ...]


Node = Question | Not | Every | Some


def parse(text: str, declared: Mapping[str, FieldType]) -> Node:
    """The tests that ``text`` asks for. Raises ``InputError`` saying what was expected where."""
    if len(text) > _LONGEST:
        raise InputError(f"a segment of {len(text)} characters", f"{_LONGEST} are the most")
    return _Parser(list(_tokens(text)), declared).whole()


def questions(node: Node) -> Iterator[Question]:
    """All questions in a tree."""
    if isinstance(node, Question):
        yield node
    elif isinstance(node, Not):
        yield from questions(node.part)
    else:
        for part in node.parts:
            yield from questions(part)


def to_json(node: Node) -> dict[str, Any]:
    """The tree as it is kept with an issue, whatever becomes of the fields that are declared."""
    if isinstance(node, Question):
        return {"test": [node.name, node.kind.value, node.operator, list(node.values)]}
    if isinstance(node, Not):
        return {"not": to_json(node.part)}
    return {"every" if isinstance(node, Every) else "some": [to_json(part) for part in node.parts]}


def from_json(kept: Mapping[str, Any]) -> Node:
    """What ``to_json`` was given."""
    ((word, inner),) = kept.items()
    if word == "test":
        name, kind, operator, values = inner
        return Question(name, FieldType(kind), operator, tuple(values))
    if word == "not":
        return Not(from_json(inner))
    parts = tuple(from_json(part) for part in inner)
    return Every(parts) if word == "every" else Some(parts)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    quoted: bool = False

    def says(self, word: str) -> bool:
        return not self.quoted and self.text.lower() == word


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise InputError(f"a segment can't be read from {text[at:].strip()[:20]!r} on", 'is a " missing?')
        sign, quoted, word = found.groups()
        yield _Token(quoted, quoted=True) if quoted is not None else _Token(sign or word)
        at = found.end()


class _Parser:
    """``or`` binds less than ``and``, ``and`` less than ``not``."""

    def __init__(self, tokens: Sequence[_Token], declared: Mapping[str, FieldType]) -> None:
        self._tokens, self._declared = list(reversed(tokens)), declared
        self._depth = 0

    def whole(self) -> Node:
        found = self._either()
        if self._tokens:
            raise InputError(f"a segment goes on with {self._tokens[-1].text!r}", "join questions by and, or")
        return found

    def _either(self) -> Node:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise InputError(f"a segment with more than {_DEEPEST} brackets in each other", "make it simpler")
        if self._takes("not"):
            found: Node = Not(self._one())
        elif self._takes("("):
            found = self._either()
            self._must(")")
        else:
            found = self._test()
        self._depth -= 1
        return found

    def _test(self) -> Question:
        name = self._next("the name of what is asked, such as cadence").text.lower()
        kind = self._declared.get(name.removeprefix(OWN)) if name.startswith(OWN) else ATTRIBUTES.get(name)
        if kind is None:
            known = [*ATTRIBUTES, *(OWN + own for own in self._declared)]
            raise InputError(f"a segment can't ask for {name!r}", f"it can for {', '.join(known)}")
        operator = self._operator(name, kind)
        if operator == "empty":
            return Question(name, kind, operator, ())
        if operator == "within":
            return Question(name, kind, operator, (self._days(),))
        words = self._listed() if operator == "in" else [self._next(f"a value behind {name} {operator}").text]
        if operator == "like":
            return Question(name, kind, operator, tuple(words))
        return Question(name, kind, operator, tuple(fields.read(kind, word) for word in words))

    def _operator(self, name: str, kind: FieldType) -> str:
        allowed = _SPECIAL.get(name, _OPERATORS[kind])
        word = self._next(f"one of {', '.join(sorted(allowed))} behind {name}")
        operator = word.text.lower()
        if word.says("is"):
            self._must("empty")
            operator = "empty"
        if word.quoted or operator not in allowed:
            raise InputError(f"{name} can't be asked with {operator!r}", f"but with {', '.join(sorted(allowed))}")
        return operator

    def _listed(self) -> list[str]:
        self._must("(")
        words = [self._next("a value").text]
        while self._takes(","):
            words.append(self._next("a value").text)
        self._must(")")
        return words

    def _days(self) -> int:
        word = self._next("a number of days").text
        if not re.fullmatch(r"[1-9]\d{0,3}", word, re.ASCII) or int(word) > _MOST_DAYS:
            raise InputError(f"within {word[:20]!r}", f"give 1 to {_MOST_DAYS} days, such as: within 30 days")
        self._takes("days") or self._takes("day")
        return int(word)

    def _next(self, wanted: str) -> _Token:
        if not self._tokens:
            raise InputError("a segment ends too soon", f"it wants {wanted}")
        return self._tokens.pop()

    def _takes(self, word: str) -> bool:
        if self._tokens and self._tokens[-1].says(word):
            self._tokens.pop()
            return True
        return False

    def _must(self, word: str) -> None:
        found = self._next(repr(word))
        if not found.says(word):
            raise InputError(f"a segment has {found.text[:20]!r}", f"where it wants {word!r}")
