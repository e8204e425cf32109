"""The wheel alone, in an empty folder: everything it needs is inside it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)], folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and, from the running environment, what it depends on: a .pth
    file inside a folder that a .pth file names is not read, so the checkout stays out of it."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, symlinks=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--no-index", "--no-cache", "--quiet"]
    _run([*install, "--python", str(home / "bin/python"), str(wheel)], home)
    (site,) = home.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin"


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    apart = ("PYTHON", "DIGEST_", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(apart)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done


def test_the_wheel_works_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    digest = str(programs / "digest")
    assert _run([digest, "--version"], tmp_path).stdout.startswith("digest ")
    _run([digest, "init", "--yes", "--sample"], tmp_path)
    assert "daily: created" in _run([digest, "edition", "apply", "edition.toml"], tmp_path).stderr
    assert "UTC" in _run([digest, "schedule", "list"], tmp_path).stdout


def test_templates_and_code_come_from_the_wheel(programs: Path, tmp_path: Path) -> None:
    code = "import digest.app, workers; print(workers.__file__, *digest.app.template_folders(None))"
    found = [Path(path).resolve() for path in _run([str(programs / "python"), "-c", code], tmp_path).stdout.split()]
    assert len(found) == 2
    assert all(path.is_relative_to(programs.parent.resolve()) for path in found)
    (templates,) = found[1:]
    ours = {
        str(path.relative_to(CHECKOUT / "templates")) for path in (CHECKOUT / "templates").rglob("*") if path.is_file()
    }
    assert ours
    assert {str(path.relative_to(templates)) for path in templates.rglob("*") if path.is_file()} == ours


def test_the_wheel_carries_migrations_and_samples_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("digest/store/migrations/env.py", "digest/store/migrations/script.py.mako"):
        assert needed in names
    assert any(name.startswith("digest/store/migrations/versions/0001") for name in names)
    assert {"digest/cli/digest.sample.toml", "digest/cli/edition.sample.toml"} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"digest", "workers"}
