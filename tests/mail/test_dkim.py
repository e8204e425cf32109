"""Our signatures, verified by dkimpy; nothing may ride on them."""

from __future__ import annotations

import re
from pathlib import Path

import dkim as judge
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from typer.testing import CliRunner

from digest import cli
from digest.errors import InputError
from digest.mail import dkim
from digest.settings import DkimSettings, Settings
from tests.conftest import NOW
from tests.support.world import ToldCourier, World, WorldApp, draft

MESSAGE = (
    b"From: The Tide <news@tide.example>\r\nTo: ana@x.example\r\nSubject: High\r\n\twater  \r\n"
    b"List-Unsubscribe: <https://news.example.org/u/x>\r\nX-Other: kept\r\nMIME-Version: 1.0\r\n\r\n"
    b"One  line \r\n\r\n.dot\t\ttabs\r\n\r\n\r\n"
)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, dkim.PrivateKey] = {"rsa": RSA, "ed": ED25519}
SIGNERS = [dkim.Signer("tide.example", selector, key) for selector, key in KEYS.items()]


def records(name: bytes, timeout: int = 5) -> bytes | None:
    """The DNS that dkimpy asks."""
    return {
        f"{selector}._domainkey.tide.example.".encode(): dkim.dns_record(key).encode() for selector, key in KEYS.items()
    }.get(name)


def verified(message: bytes) -> list[bool]:
    """What dkimpy says of each signature in front."""
    count = len(re.findall(rb"(?m)^DKIM-Signature:", message))
    return [_verifies(message, index) for index in range(count)]


def _verifies(message: bytes, index: int) -> bool:
    try:
        return bool(judge.DKIM(message).verify(idx=index, dnsfunc=records))
    except judge.ValidationError:
        return False


@pytest.mark.parametrize(
    "message",
    [MESSAGE, MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", MESSAGE + b"x", MESSAGE.replace(b"\r\n.", b"\r\n ")],
)
def test_both_kinds_of_signature_verify(message: bytes) -> None:
    signed = dkim.sign(message, SIGNERS, NOW)
    assert signed.endswith(message)
    assert verified(signed) == [True, True]
    assert max(map(len, signed.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("name", [b"Subject", b"From", b"To", b"Cc", b"Reply-To", b"List-Unsubscribe", b"Date"])
def test_a_second_header_put_in_front_breaks_the_signature(name: bytes) -> None:
    head, _, rest = dkim.sign(MESSAGE, SIGNERS, NOW).partition(b"From: The")
    forged = head + name + b": <https://evil.example/>\r\nFrom: The" + rest
    assert verified(forged) == [False, False]
    assert verified(head + b"X-Trace: relay\r\nFrom: The" + rest) == [True, True]


def test_a_changed_body_breaks_the_signature_and_blanks_that_relays_change_do_not() -> None:
    signed = dkim.sign(MESSAGE, SIGNERS, NOW)
    assert verified(signed.replace(b"dot", b"dog")) == [False, False]
    assert verified(signed.replace(b"One  line \r\n", b"One line\r\n")) == [True, True]


def test_a_key_that_will_not_do_is_said() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for key in (weak, ec.generate_private_key(ec.SECP256R1())):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(InputError, match="RSA key of 2048"):
            dkim.read_key(pem, "key.pem")
    with pytest.raises(InputError, match="no unencrypted private key"):
        dkim.read_key(b"hello", "key.pem")


def test_an_operators_key_signs_the_mail_of_an_issue(settings: Settings, tmp_path: Path) -> None:
    for selector, option in (("rsa", []), ("ed", ["--ed25519"])):
        path = tmp_path / f"{selector}.pem"
        made = CliRunner().invoke(cli.app, ["dkim", selector, "--out", str(path), *option])
        assert made.stdout.strip() == dkim.dns_record(dkim.read_key(path.read_bytes(), "made"))
        assert path.stat().st_mode & 0o077 == 0
    again = CliRunner().invoke(cli.app, ["dkim", "rsa", "--out", str(tmp_path / "rsa.pem")])
    assert isinstance(again.exception, InputError)
    keys = tuple(DkimSettings(selector=name, key_file=tmp_path / f"{name}.pem") for name in KEYS)
    world = World(WorldApp(settings.model_copy(update={"dkim": keys})))
    world.edition()
    world.articles(draft(1))
    world.readers("ana@x.example")
    world.publish()
    courier = ToldCourier()
    world.deliver(courier)
    published = zip(KEYS, world.app.dkim_keys, strict=True)
    theirs = {f"{name}._domainkey.tide.example.".encode(): dkim.dns_record(key) for name, (_, key) in published}
    for index in range(2):
        message = courier.tried[0].message
        assert judge.DKIM(message).verify(idx=index, dnsfunc=lambda name, timeout=5: theirs[name].encode())
    world.app.database.dispose()
