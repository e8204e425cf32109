"""What only ``make bench``, ``make bench-import``, ``make faults`` and ``make judge`` start: all of it can be imported.
That it also works is tested beside each: tests/bench/test_parts.py, tests/faults/test_site.py,
tests/judge/test_matrix.py."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import bench
import tests.faults
import tests.judge


def _modules() -> Iterator[str]:
    for package in (bench, tests.faults, tests.judge):
        found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        yield from (module.name for module in found if not module.name.endswith(".conftest"))


@pytest.mark.parametrize("name", list(_modules()))
def test_a_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__
