"""Clients and accounts: whether anybody can sign in, and administer."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil import jws
from counterfoil.carriers.cookie import LARGEST, cookie_name
from counterfoil.cli.doctor.finding import Finding, ok, unseen, warning, wrong
from counterfoil.cli.words import counted, span
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.keys import SigningKey
from counterfoil.lifetime import Lifetime
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.rows import Rows
from counterfoil.stores.statements.store import RowsStore
from counterfoil.token import StatusReference, TokenClaims, issue

LONG: Final = timedelta(hours=1)
_ADMINISTRATORS: Final = "SELECT subject FROM accounts WHERE roles LIKE ? LIMIT 1000"
_HAS_ADMIN: Final = '%"admin"%'
_MOST_ROLES: Final = "SELECT roles FROM accounts ORDER BY length(roles) DESC LIMIT 1"


def clients_of(rows: Rows, lifetime: Lifetime) -> tuple[list[Client], list[Finding]]:
    """Those that can be used, and what is wrong with the others."""
    try:
        return list(drive(ClientRows(rows, lifetime).clients()).values()), []
    except ConfigurationError as why:
        says = f"A registered client cannot be used, and so none can: {why}"
        return [], [wrong("client-usable", says, "Give the server lifetimes that fit its clients.")]


def of_clients(clients: list[Client], issuer: str, rows: Rows) -> Iterator[Finding]:
    if not clients:
        yield wrong(
            "clients",
            "No client is registered: nobody can sign in.",
            "Run counterfoil clients add web --strategy session --manage.",
        )
        return
    yield ok("clients", f"{counted(len(clients), 'client')}: {_named(clients)}.")
    if not any(client.manage for client in clients):
        yield warning(
            "client-manage",
            "No client may manage: nobody can see their devices, and no administrator do anything.",
            "Register one with counterfoil clients add CLIENT_ID --strategy session --manage.",
        )
    row = drive(rows.one(_MOST_ROLES))
    roles = json.loads(row[0]) if row else []
    for client in clients:
        yield from _of_client(client, issuer or "https://auth.example", roles)


def _of_client(client: Client, issuer: str, roles: list[str]) -> Iterator[Finding]:
    if client.carrier == "cookie" and client.signs:
        yield _fits(client, issuer, roles)
    access = client.lifetime.access
    if client.strategy == "hybrid" and client.max_staleness >= access:
        yield warning(
            "client-staleness",
            f"{client.client_id} promises that a revocation holds within its max_staleness of"
            f" {span(client.max_staleness)}, and its tokens live {span(access)}.",
            "Register it with longer access, or as jwt: as it is the status brings nothing.",
        )
    if client.strategy == "jwt" and access > LONG:
        yield warning(
            "client-access",
            f"A revoked token of {client.client_id} lives on for up to {span(access)}.",
            "Shorten its access lifetime, or register it as hybrid.",
        )


def _fits(client: Client, issuer: str, roles: list[str]) -> Finding:
    """By weighing a token such as it would be given to whoever has the most roles. It is signed
    with a key made for this and thrown away."""
    try:
        size = len(cookie_name(client.client_id)) + len(_token(client, issuer, roles))
    except ConfigurationError:
        size = jws.LIMIT
    if size > LARGEST:
        return wrong(
            "client-cookie-size",
            f"A cookie of {client.client_id} would have {size} bytes, and browsers drop what is"
            f" over {LARGEST}: whoever has the most roles cannot sign in.",
            "Give fewer roles, or register the client as session.",
        )
    return ok("client-cookie-size", f"The largest cookie of {client.client_id} has {size} bytes.")


def _token(client: Client, issuer: str, roles: list[str]) -> str:
    now = datetime.now(UTC).replace(microsecond=0)
    key = SigningKey(
        kid="x" * 8,
        algorithm=client.algorithm,
        purpose="tokens",
        state="active",
        created_at=now,
        published_at=now,
        ready_at=now,
        material=jws.generate(client.algorithm),
    )
    hybrid = client.strategy == "hybrid"
    claims = TokenClaims(
        iss=issuer,
        sub=secrets.token_urlsafe(16),
        aud=(client.audience,),
        exp=now + client.lifetime.access,
        iat=now,
        jti=secrets.token_urlsafe(16),
        sid=secrets.token_urlsafe(16),
        client_id=client.client_id,
        auth_time=now,
        claims={"roles": roles},
        status=StatusReference(f"{issuer}/status/lists/xxxxxxxx", 2**20) if hybrid else None,
    )
    return issue(claims, key=key, typ=client.typ)


def of_accounts(rows: Rows, *, is_apart: bool) -> Iterator[Finding]:
    """is_apart: sessions are kept elsewhere, and with them who is suspended."""
    store = RowsStore(rows)
    found = [row[0] for row in drive(rows.all(_ADMINISTRATORS, (_HAS_ADMIN,)))]
    if found and is_apart:
        yield ok("administrator", f"{counted(len(found), 'account')} may administer.")
        yield unseen("administrator", "Who is suspended: that is kept with the sessions.")
        return
    active = [name for name in found if not drive(store.subject(name)).is_suspended]
    if active:
        yield ok("administrator", f"{counted(len(active), 'administrator')} can sign in.")
        return
    yield warning(
        "administrator",
        "There is no administrator who is let in.",
        "Run counterfoil accounts add NAME --role admin, or accounts reinstate.",
    )


def _named(clients: Iterable[Client]) -> str:
    return ", ".join(f"{client.client_id} ({client.strategy})" for client in clients)
