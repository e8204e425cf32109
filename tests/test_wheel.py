"""The wheel alone, in an empty folder: everything it needs is inside it."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.ports import free_port

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
    assert {"digest/py.typed", "workers/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"digest", "workers"}


def _imported(package: str) -> set[str]:
    """The top names that a package's modules import, anywhere in them, without its own and the standard library's."""
    found = set[str]()
    for path in (CHECKOUT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"digest", "workers"}


@pytest.mark.parametrize("package", ["digest", "workers"])
def test_what_is_imported_is_declared(package: str) -> None:
    """What only another dependency brings along may be gone with its next version."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    providers = packages_distributions()
    imported = _imported(package)
    assert imported, "no module was read"
    by = {name: {canonicalize_name(provider) for provider in providers[name]} for name in imported}
    assert {name for name, provided in by.items() if not provided & declared} == set()


def _own_commands() -> list[list[str]]:
    """The words behind ``digest`` in each line of README's "Your own"."""
    block = (CHECKOUT / "README.md").read_text(encoding="utf-8").split("## Your own")[1].split("```")[1]
    lines = [line.partition("#")[0].split() for line in block.strip().splitlines()]
    return [words[1:] for words in lines if words[0] == "digest"]


@contextmanager
def _up(digest: str, folder: Path) -> Iterator[None]:
    """``digest up`` for as long as the block runs; it has begun when every worker answers."""
    with (folder / "up.log").open("w+") as log:
        process = subprocess.Popen([digest, "up"], cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
            assert process.poll() is None, (folder / "up.log").read_text(encoding="utf-8")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.mark.judge
@pytest.mark.timeout(400)
def test_the_readmes_commands_work_after_a_plain_install(wheel: Path, tmp_path: Path) -> None:
    """pip's own resolver and no lock file: what a dependency forgot to declare is missing here. Needs an index."""
    venv.create(tmp_path / "venv", symlinks=True, with_pip=True)
    pip = [str(tmp_path / "venv/bin/pip"), "--disable-pip-version-check", "install", "--quiet"]
    asked = subprocess.run([*pip, "--dry-run", "packaging"], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip("no package index can be reached")
    _run([*pip, str(wheel)], tmp_path)
    digest, folder = str(tmp_path / "venv/bin/digest"), tmp_path / "own"
    folder.mkdir()
    commands = [
        [word for word in words if word not in ("--open", "--watch")] + ["--yes"] * (words[0] == "init")
        for words in _own_commands()
    ]
    up = commands.index(["up"])
    for words in commands[:up]:
        _run([digest, *words], folder)
        if words[0] == "init":
            settings = folder / "digest.toml"
            text = settings.read_text(encoding="utf-8").replace(
                "# mailbox_port = 8026", f"mailbox_port = {free_port()}"
            )
            text += f"\n[web]\nport = {free_port()}\n"
            settings.write_text(text, encoding="utf-8")
    with _up(digest, folder):
        for words in commands[up + 1 :]:
            _run([digest, *words], folder)
