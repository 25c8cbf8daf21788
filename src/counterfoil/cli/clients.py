"""`counterfoil clients`: the applications that people sign in to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from counterfoil.cli.data import DataFolder, at
from counterfoil.cli.options import AsJson, Data
from counterfoil.cli.output import say, tell, tell_json, tell_table
from counterfoil.cli.words import span
from counterfoil.client import Algorithm, CarrierName, Client, StrategyName
from counterfoil.errors import ConfigurationError
from counterfoil.server.settings import read_span

commands = typer.Typer(help="Registered applications.")

ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="1 to 32 of a-z, 0-9, _ and -.")]
Strategy = Annotated[
    StrategyName, typer.Option("--strategy", help="What its people are given when they sign in.")
]
Carrier = Annotated[
    CarrierName | None,
    typer.Option("--carrier", help="By default a cookie for session, else a bearer header."),
]
Audience = Annotated[
    str, typer.Option("--audience", help="The aud of its tokens; by default its CLIENT_ID.")
]
Signing = Annotated[Algorithm, typer.Option("--algorithm", help="How its tokens are signed.")]
Typ = Annotated[str, typer.Option("--typ", help="Its tokens' type; some consumers want JWT.")]
Manage = Annotated[
    bool, typer.Option("--manage", help="Let its credentials call the management API.")
]
WithSecret = Annotated[
    bool, typer.Option("--secret", help="Also make a secret for its programs, as `secret` does.")
]
Revoke = Annotated[
    Literal["former", "all"] | None,
    typer.Option("--revoke", help="End secrets, and make none: all but the newest, or all."),
]


def _span_option(name: str, what: str) -> Any:
    return typer.Option(name, metavar="SPAN", help=what, show_default=False)


Access = Annotated[str | None, _span_option("--access-lifetime", "How long a token is good.")]
Idle = Annotated[str | None, _span_option("--idle", "Unused for so long, a session expires.")]
Absolute = Annotated[str | None, _span_option("--absolute", "A session's end, whatever is done.")]
Grace = Annotated[str | None, _span_option("--grace", "So long a spent handle may be retried.")]
Staleness = Annotated[
    str | None, _span_option("--max-staleness", "How late a verifier may learn of revocations.")
]


@commands.command("list")
def listing(*, data: Data = None, as_json: AsJson = False) -> None:
    """List registered clients."""

    async def work(folder: DataFolder) -> list[dict[str, Any]]:
        found = await folder.clients.clients()
        own = await folder.clients.with_own_lifetime()
        secrets = await folder.client_secrets.made_at()
        return [
            {
                **_described(client, own=name in own),
                "secrets_made_at": secrets.get(name, []),
            }
            for name, client in found.items()
        ]

    found = at(data, work)
    if as_json:
        tell_json({"clients": found})
        return
    lines = [
        (
            each["client_id"],
            each["strategy"],
            each["carrier"],
            each["audience"],
            _signed(each),
            _access(each),
            span(each["max_staleness_seconds"]) if each["strategy"] == "hybrid" else "-",
            "yes" if each["manage"] else "no",
            str(len(each["secrets_made_at"])),
        )
        for each in found
    ]
    columns = "CLIENT_ID STRATEGY CARRIER AUDIENCE SIGNED ACCESS STALENESS MANAGE SECRETS"
    tell_table(columns.split(), lines)


@commands.command()
def add(
    client_id: ClientId,
    *,
    strategy: Strategy,
    carrier: Carrier = None,
    audience: Audience = "",
    algorithm: Signing = "ES256",
    typ: Typ = "at+jwt",
    manage: Manage = False,
    access: Access = None,
    idle: Idle = None,
    absolute: Absolute = None,
    grace: Grace = None,
    max_staleness: Staleness = None,
    secret: WithSecret = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Register an application. Its lifetimes are the server's, unless it is given its own; a SPAN
    is seconds, or 10s, 5m, 12h, 30d."""
    spans = {"access": access, "idle": idle, "absolute": absolute, "grace": grace}
    given = {name: _span(text) for name, text in spans.items() if text is not None}

    async def work(folder: DataFolder) -> tuple[Client, str | None]:
        client = Client(
            client_id=client_id,
            strategy=strategy,
            carrier=carrier or ("cookie" if strategy == "session" else "bearer"),
            audience=audience,
            algorithm=algorithm,
            typ=typ,
            lifetime=replace(folder.settings.lifetime, **given),
            max_staleness=folder.settings.max_staleness
            if max_staleness is None
            else _span(max_staleness),
            manage=manage,
        )
        changes = folder.client_changes
        await changes.register(client, own_lifetime=bool(given))
        return client, await changes.make_secret(client_id) if secret else None

    client, made = at(data, work)
    if as_json:
        shown = {} if made is None else {"client_secret": made}
        tell_json({**_described(client, own=bool(given)), **shown})
        return
    tell(
        f"Added {client.client_id}: {client.strategy}, by {client.carrier}, for the audience"
        f" {client.audience}. A running server knows it within a second."
    )
    if made is not None:
        _tell_secret(made)


@commands.command()
def secret(
    client_id: ClientId, *, revoke: Revoke = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Make a secret, with which the client's programs call /oauth. A client may have two, so that
    its programs can change over before the former one is revoked."""

    async def work(folder: DataFolder) -> str | int:
        if revoke is None:
            return await folder.client_changes.make_secret(client_id)
        return await folder.client_changes.revoke_secrets(client_id, newest=revoke == "all")

    done = at(data, work)
    if isinstance(done, str):
        if as_json:
            tell_json({"client_id": client_id, "client_secret": done})
        else:
            _tell_secret(done)
    elif as_json:
        tell_json({"client_id": client_id, "revoked": done})
    else:
        tell(f"Revoked {done} secret{'' if done == 1 else 's'} of {client_id}: effective at once.")


def _tell_secret(made: str) -> None:
    """The secret alone on standard output, so that it can go into a file unseen."""
    say("The secret is shown only now, and good at once:")
    tell(made)


def _span(text: str) -> timedelta:
    try:
        found = read_span(text)
    except ValueError:
        raise ConfigurationError("Write a SPAN as seconds, or as 10s, 5m, 12h or 30d.") from None
    return found if isinstance(found, timedelta) else timedelta(0)


def _described(client: Client, *, own: bool) -> dict[str, Any]:
    """As the API shows it, and whether the lifetimes are its own or follow the server's."""
    life = client.lifetime
    return {
        "client_id": client.client_id,
        "strategy": client.strategy,
        "carrier": client.carrier,
        "audience": client.audience,
        "algorithm": client.algorithm,
        "typ": client.typ,
        "manage": client.manage,
        "own_lifetimes": own,
        "idle_seconds": life.idle,
        "absolute_seconds": life.absolute,
        "access_seconds": life.access,
        "grace_seconds": life.grace,
        "max_staleness_seconds": client.max_staleness,
    }


def _signed(each: dict[str, Any]) -> str:
    return "-" if each["strategy"] == "session" else f"{each['algorithm']} {each['typ']}"


def _access(each: dict[str, Any]) -> str:
    if each["strategy"] == "session":
        return "-"
    return span(each["access_seconds"]) if each["own_lifetimes"] else "server's"
