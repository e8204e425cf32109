"""What the documents say is drawn from, or compared with, what the code does."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from jinja2 import meta, nodes
from pydantic import BaseModel

from digest.editions.tables import EditionFile
from digest.mail import themes, vocabulary
from digest.settings import Settings
from digest.values import Item

ROOT = Path(__file__).resolve().parents[1]
DRAW = runpy.run_path(str(ROOT / "docs/diagram.py"))
DRAWN: dict[str, tuple[str, Callable[[], str]]] = DRAW["DRAWN"]


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DRAWN)
def test_what_is_drawn_from_the_code_is_the_codes_own(path: str) -> None:
    name, make = DRAWN[path]
    page = _read(path)
    assert DRAW["drawn"](page, name, make()) == page, "run `make diagram`"


def _where() -> list[tuple[str, str]]:
    table = _read("ARCHITECTURE.md").split("## Where do I change")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    return [(question, where) for question, where in rows]


def test_the_table_of_places_is_long_enough_to_be_of_use() -> None:
    assert len(_where()) >= 20


@pytest.mark.parametrize(("question", "where"), _where())
def test_where_to_change_something_exists(question: str, where: str) -> None:
    text, found = "", 0
    for name in re.findall(r"`([^`]+)`", where):
        if "/" in name:
            assert (ROOT / name).exists(), name
            text, found = (_read(name) if (ROOT / name).is_file() else ""), found + 1
        elif name.startswith("["):
            assert f"\n{name}\n" in "\n" + text, name
        else:
            assert re.search(rf"^(?:def|class) {name}\b", text, re.MULTILINE), name
    assert found, f"no path answers: {question}"


def _pages() -> list[str]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


@pytest.mark.parametrize("path", _pages())
def test_paths_that_a_page_names_exist(path: str) -> None:
    """Links within the project, and code named by its path from the top."""
    page = re.sub(r"```.*?```", "", _read(path), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page):
        assert ((ROOT / path).parent / target).exists(), target
    for named in re.findall(r"`((?:digest|workers|templates|tests|bench|docs)/[\w./-]+)`", page):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("path", _pages())
def test_a_person_is_they(path: str) -> None:
    assert not re.findall(r"\b(?:he|his|him|himself|she|her|hers)\b", _read(path), flags=re.IGNORECASE)


def test_every_flow_that_is_named_is_a_module() -> None:
    named = re.findall(r"(flows/[\w/]+\.py)$", _read("ARCHITECTURE.md"), flags=re.MULTILINE)
    assert len(named) >= 10
    assert [path for path in named if not (ROOT / "digest" / path).is_file()] == []


def test_every_decision_has_a_date_and_says_why_and_at_what_cost() -> None:
    decisions = [path for path in (ROOT / "docs/decisions").glob("*.md") if path.stem not in ("README", "dependencies")]
    assert decisions
    for path in decisions:
        text = path.read_text(encoding="utf-8").lower()
        assert re.match(r"\d{4}-\d\d-\d\d-\w", path.name), f"{path.name}: begins with its date"
        assert re.match(r"# \S", text), f"{path.name}: begins with a title"
        assert [word for word in ("situation", "choice", "cost") if word not in text] == [], path.name


def test_the_reference_is_made_from_the_code() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "reference.py"))["pages"]()
    assert made
    for name, text in made.items():
        assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"


def _undescribed(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if not field.description:
            yield f"{path}{name}"
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _undescribed(part, f"{path}{name}.")


def test_what_issues_set_for_the_files_they_include_is_described() -> None:
    source = _read("templates/themes/classic/issue.html.j2")
    environment = themes.environment([ROOT / "templates"])
    written = {name.name for name in environment.parse(source).find_all(nodes.Name) if name.ctx == "store"}
    assert written - {"_"} == set(vocabulary.SET)


def test_all_that_templates_ask_for_is_described() -> None:
    environment = themes.environment([ROOT / "templates"])
    known = {*vocabulary.NAMES, *vocabulary.SET, *vocabulary.LETTER_NAMES, *vocabulary.FUNCTIONS}
    asked = {
        (path.name, name)
        for path in (ROOT / "templates/themes").glob("*/*.j2")
        for name in meta.find_undeclared_variables(environment.parse(path.read_text(encoding="utf-8")))
    }
    builtin = {"range", "loop"}
    assert [(path, name) for path, name in sorted(asked) if name not in known | builtin] == []


def test_all_that_an_item_has_for_templates_is_described() -> None:
    for_the_engine = {"intake", "told"}
    names = {field.name for field in fields(Item)} - for_the_engine
    assert [name for name in sorted(names) if f"`{name}`" not in vocabulary.SET["item"]] == []


def test_every_file_of_a_theme_says_what_it_draws() -> None:
    page = _read("docs/reference/templates.md")
    assert [path.name for path in (ROOT / "templates/themes").glob("*/*") if f"| `{path.name}` |" not in page] == []


@pytest.mark.parametrize("model", [Settings, EditionFile])
def test_every_setting_and_every_key_of_an_edition_file_is_described(model: type[BaseModel]) -> None:
    assert list(_undescribed(model)) == []
