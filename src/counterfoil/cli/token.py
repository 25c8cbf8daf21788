"""`counterfoil token`: what a credential says, and whether it is good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from counterfoil.cli import token_inspect
from counterfoil.cli.data import DataFolder, at
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import say, tell, tell_json
from counterfoil.cli.secret_input import credential
from counterfoil.cli.words import relative, stamp
from counterfoil.credential import Presented, Verified
from counterfoil.errors import ConfigurationError, CredentialMalformed, StatusStale

commands = typer.Typer(help="Look into a token or a handle, or check it.")

Given = Annotated[
    str,
    typer.Argument(
        metavar="TOKEN|-",
        help="Better given on standard input: arguments stay in the shell's history.",
        show_default=False,
    ),
]
Issuer = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help="Ask this issuer, over HTTP.")
]
Audience = Annotated[
    str | None, typer.Option("--audience", help="Refuse credentials of any other audience.")
]
Typ = Annotated[str, typer.Option("--typ", help="With --issuer: the type of the tokens.")]


@commands.command()
def inspect(given: Given = "-", *, as_json: AsJson = False) -> None:
    """Decode a token or a handle WITHOUT verifying it."""
    text = credential(given)
    say("NOT VERIFIED: anybody can write such a text. `counterfoil token verify` checks it.")
    token_inspect.tell_what_it_says(text, as_json=as_json)


@commands.command()
def verify(
    given: Given = "-",
    *,
    data: Data = None,
    issuer: Issuer = None,
    audience: Audience = None,
    typ: Typ = "at+jwt",
    as_json: AsJson = False,
) -> None:
    """Check a token or a handle, as a request would be checked: with the keys and records of a
    data folder, or as a service that knows only the issuer's URL.

    Presenting a handle is using it: one that is spent for longer than its grace ends its session.
    """
    if data is not None and issuer is not None:
        raise ConfigurationError("Choose one of --data and --issuer.")
    if issuer is not None and audience is None:
        raise ConfigurationError("Name the --audience that the token must be for.")
    text = credential(given)
    if issuer is not None and audience is not None:
        found = _ask(text, issuer, audience, typ)
    else:
        found = at(data, lambda folder: _check(folder, text, audience))
    _tell(found, as_json=as_json)


async def _check(folder: DataFolder, text: str, audience: str | None) -> Verified:
    """The engine's check, whichever of the two carriers the client's credentials travel by."""
    try:
        return await folder.auth.check(text, audience=audience)
    except CredentialMalformed as why:
        try:
            return await folder.auth.check(Presented(text, "cookie"), audience=audience)
        except CredentialMalformed:
            raise why from None


def _ask(text: str, issuer: str, audience: str, typ: str) -> Verified:
    """As a verifier decides; it asks the issuer where public keys do not suffice."""
    from counterfoil import Verifier

    with Verifier(issuer=issuer, audience=audience, typ=typ) as verifier:
        if text.startswith("cf_"):
            return verifier.confirm(text)
        try:
            return verifier.check(text)
        except StatusStale:
            return verifier.confirm(text)


def _tell(found: Verified, *, as_json: bool) -> None:
    shown: dict[str, Any] = {
        "subject": found.subject,
        "session_id": found.session_id,
        "client_id": found.client_id,
        "strategy": found.strategy,
        "claims": dict(found.claims),
        "as_of": found.as_of,
        "expires_at": found.expires_at,
    }
    if as_json:
        tell_json(shown)
        return
    now = datetime.now(UTC)
    tell(f"Accepted: a credential of the client {found.client_id} ({found.strategy}).")
    tell(f"subject     {found.subject}")
    tell(f"session_id  {found.session_id}")
    tell(f"claims      {token_inspect.compact(shown['claims'])}")
    tell(f"as_of       {stamp(found.as_of)} ({relative(found.as_of, now=now)})")
    tell(f"expires_at  {stamp(found.expires_at)} ({relative(found.expires_at, now=now)})")
