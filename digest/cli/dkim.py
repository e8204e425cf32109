"""``digest dkim``: a key to sign mail with, and the DNS record that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from digest.cli.common import get_app, say
from digest.doctor import from_domains
from digest.errors import DigestError, InputError
from digest.mail import dkim


def register(app: typer.Typer) -> None:
    app.command("dkim", epilog="Example: digest dkim nov26 --out dkim-nov26.pem")(make)


def make(
    ctx: typer.Context,
    selector: Annotated[
        str, typer.Argument(help="A name for the key, such as its month. It becomes part of the DNS name.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File for the private key.")] = None,
    ed25519_: Annotated[
        bool, typer.Option("--ed25519", help="Make an Ed25519 key: small and fast, to use beside an RSA key.")
    ] = False,
) -> None:
    """Make a DKIM key and show its DNS record and settings."""
    path = out or Path(f"dkim-{selector}.pem")
    key: dkim.PrivateKey = ed25519.Ed25519PrivateKey.generate()
    if not ed25519_:
        key = rsa.generate_private_key(public_exponent=65537, key_size=dkim.LEAST_RSA_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(pem)
    except FileExistsError:
        raise InputError(f"{path} already exists", "choose another selector or --out FILE") from None
    except OSError as error:
        raise InputError(f"can't write {path} ({error.strerror})", "give another --out FILE") from None
    record = dkim.dns_record(key)
    say(f"wrote {path}. Publish this TXT record")
    for domain in _domains(ctx):
        say(f"  at {selector}._domainkey.{domain}")
    typer.echo(record)
    say(f"in a zone file, split it:  {dkim.in_pieces(record)}")
    say(f'then add to digest.toml:\n\n[[dkim]]\nselector = "{selector}"\nkey_file = "{path}"\n')
    say("`digest doctor` checks that it is published.")


def _domains(ctx: typer.Context) -> Sequence[str]:
    """Those our editions send from, where there are any yet."""
    try:
        return from_domains(get_app(ctx)) or ("YOUR-DOMAIN",)
    except DigestError:
        return ("YOUR-DOMAIN",)
