"""Which hosts are one publisher's."""

from __future__ import annotations

import pytest

from digest.sources.hosts import publisher


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("www.bbc.co.uk", "news.bbc.co.uk"),
        ("edition.cnn.com", "cnn.com"),
        ("blogs.elpais.com", "elpais.com"),
        ("a.paper.github.io", "paper.github.io"),
        ("www.example.com.br", "m.example.com.br"),
    ],
)
def test_hosts_under_one_registered_name_are_one_publishers(one: str, other: str) -> None:
    assert publisher(one) == publisher(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann.github.io", "bob.github.io"),
        ("ann.tokyo.jp", "bob.tokyo.jp"),
        ("ann.shibuya.tokyo.jp", "bob.shibuya.tokyo.jp"),
        ("ann.blogspot.com", "bob.blogspot.com"),
        ("guardian.co.uk", "independent.co.uk"),
        ("192.0.2.10", "198.51.2.10"),
        ("localhost", "otherhost"),
    ],
)
def test_what_strangers_share_makes_them_no_publisher(one: str, other: str) -> None:
    assert publisher(one) != publisher(other)


def test_what_is_no_registered_name_stands_for_itself() -> None:
    assert [publisher(host) for host in ("", "co.uk", "127.0.0.1", "::1", "intranet")] == [
        "",
        "co.uk",
        "127.0.0.1",
        "::1",
        "intranet",
    ]
