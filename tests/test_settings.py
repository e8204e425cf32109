"""The settings as they are read: from the file, the environment, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.configuration import load
from digest.errors import ConfigError
from tests.conftest import KEY


def test_settings_say_every_fault_at_once(tmp_path: Path) -> None:
    path = tmp_path / "digest.toml"
    path.write_text('base_url = "ftp://x"\nspeed = 9\n[smtp]\nport = 0\nusername = "u"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    told = str(caught.value)
    assert all(word in told for word in ("base_url", "speed: no such setting", "smtp.port", "secret_keys: is required"))


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "digest.toml"
    path.write_text(f'secret_keys = ["{KEY}"]\nbase_url = "https://a.example"\n[smtp]\nhost = "a"\n', encoding="utf-8")
    monkeypatch.setenv("DIGEST_BASE_URL", "https://b.example/")
    monkeypatch.setenv("DIGEST_SMTP__HOST", "b")
    settings = load(path)
    assert (settings.base_url, settings.smtp.host) == ("https://b.example", "b")
    assert settings.database_url == f"sqlite:///{tmp_path}/var/digest.db"
