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


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "digest.toml"
    path.write_text(f'secret_keys = ["{KEY}"]\n{text}', encoding="utf-8")
    return path


MOVED_TOML = "[deliver]\nbatch = 9\ncatch_up_days = 20\nsize_budget = 50_000\nsoft_bounces = 7\nsoft_bounce_days = 21\n"


def test_settings_that_moved_are_read_under_their_old_names_with_a_warning_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(_written(tmp_path, MOVED_TOML))
    assert (settings.compose.catch_up_days, settings.mail.size_budget) == (20, 50_000)
    assert (settings.suppress.soft_bounces, settings.suppress.soft_bounce_days, settings.deliver.batch) == (7, 21, 9)
    assert caplog.messages == [
        "deliver.catch_up_days is an old name: use compose.catch_up_days",
        "deliver.size_budget is an old name: use mail.size_budget",
        "deliver.soft_bounces is an old name: use suppress.soft_bounces",
        "deliver.soft_bounce_days is an old name: use suppress.soft_bounce_days",
    ]


def test_an_old_name_in_the_environment_is_read_and_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DIGEST_DELIVER__CATCH_UP_DAYS", "30")
    settings = load(_written(tmp_path, "[compose]\n[deliver]\nbatch = 9\n"))
    assert (settings.compose.catch_up_days, settings.deliver.batch) == (30, 9)
    assert caplog.messages == ["DIGEST_DELIVER__CATCH_UP_DAYS is an old name: use DIGEST_COMPOSE__CATCH_UP_DAYS"]


@pytest.mark.parametrize(
    ("text", "variable", "told"),
    [
        (MOVED_TOML + "[mail]\nsize_budget = 60_000\n", "", "deliver.size_budget is the old name of mail.size_budget"),
        (MOVED_TOML, "DIGEST_SUPPRESS__SOFT_BOUNCES", "old name of DIGEST_SUPPRESS__SOFT_BOUNCES, and both are given"),
        ("[mail]\nsize_budget = 60_000\n", "DIGEST_DELIVER__SIZE_BUDGET", "remove DIGEST_DELIVER__SIZE_BUDGET"),
    ],
)
def test_a_setting_given_under_its_old_and_its_new_name_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str, told: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, "9")
    with pytest.raises(ConfigError, match=told):
        load(_written(tmp_path, text))


def test_a_fault_of_an_old_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DELIVER__CATCH_UP_DAYS", "soon")
    with pytest.raises(ConfigError, match=r"^the environment: DIGEST_DELIVER__CATCH_UP_DAYS: "):
        load(_written(tmp_path, ""))


def test_every_path_is_relative_to_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    settings = load(
        _written(
            tmp_path,
            """templates_dir = "own"
[smtp]
host = "a"
ca_file = "ca.pem"
[[smtp_routes]]
name = "second"
host = "b"
ca_file = "/etc/ca.pem"
[[dkim]]
selector = "s"
key_file = "dkim.pem"
[feedback]
maildir = "mail"
[feedback.imap]
ca_file = "imap.pem"
""",
        )
    )
    assert (settings.state_dir, settings.templates_dir) == (tmp_path / "var", tmp_path / "own")
    assert settings.smtp.ca_file == tmp_path / "ca.pem"
    assert settings.smtp_routes[0].ca_file == Path("/etc/ca.pem")
    assert settings.dkim[0].key_file == tmp_path / "dkim.pem"
    assert (settings.feedback.maildir, settings.feedback.imap.ca_file) == (tmp_path / "mail", tmp_path / "imap.pem")
