"""Who is in the story: a server, somebody with an account, and an administrator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from counterfoil.cli.demo.caller import Caller, Carried, NotAsSaid, Reply
from counterfoil.cli.demo.stage import Stage
from counterfoil.cli.demo.temporary_server import Running
from counterfoil.client import Client
from counterfoil.drive import drive
from counterfoil.lifetime import Lifetime
from counterfoil.server.serving import DEMO
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.sqlite import SqliteStore

ANN: Final = "ann"
BRIEF: Final = "brief"  # the jwt client whose tokens can be waited for
_PASSWORD_BYTES: Final = 15


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a sign-in gave. carried: the credential as requests carry it; handle: what refreshes
    it, where that is another text."""

    reply: Reply = field(repr=False)
    session_id: str
    carried: Carried
    given: str
    handle: str = field(repr=False)

    @property
    def token(self) -> str:
        return self.carried.secret


@dataclass(frozen=True, slots=True)
class Cast:
    """What every scene needs."""

    server: Running
    call: Caller
    stage: Stage
    grace: timedelta
    subject: str
    _password: str = field(repr=False)

    @classmethod
    def gathered(cls, server: Running, stage: Stage, *, grace: timedelta) -> Cast:
        """Registers Ann, as anybody may at a development server."""
        call, password = Caller(server.issuer), secrets.token_urlsafe(_PASSWORD_BYTES)
        reply = call("POST", "/v1/accounts", identifier=ANN, password=password).expect(201)
        return cls(server, call, stage, grace, str(reply.body["subject"]), password)

    def sign_in(self, client_id: str, *, administrator: bool = False) -> SignedIn:
        who, password = (ANN, self._password)
        if administrator:
            who, password = DEMO, self.server.administrators_password
        reply = self.call(
            "POST", "/v1/sessions", client_id=client_id, identifier=who, password=password
        ).expect(201)
        session_id, credential = reply.body["session"]["id"], reply.body["credential"]
        if credential["type"] == "cookie":
            return _by_cookie(reply, session_id)
        carried = bearer(credential["token"])
        return SignedIn(reply, session_id, carried, carried.shown, credential["refresh_handle"])

    def refresh(self, handle: str) -> Reply:
        return self.call("POST", "/v1/session/refresh", refresh_handle=handle)

    def who_am_i(self, carried: Carried) -> Reply:
        return self.call("GET", "/v1/session", carried=carried)

    def events(self, session_id: str, administrator: Carried) -> list[dict[str, Any]]:
        """What the trail says of a session, newest first."""
        path = f"/v1/admin/events?subject={self.subject}"
        lines = self.call("GET", path, carried=administrator).expect(200).body["events"]
        return [line for line in lines if line["session_id"] == session_id]


def bearer(token: str) -> Carried:
    return Carried("Authorization", f"Bearer {token}", token)


def register_brief(server: Running, access: timedelta) -> None:
    """Adds a `jwt` client beside the running server, as `counterfoil clients add` would."""
    client = Client(client_id=BRIEF, strategy="jwt", lifetime=Lifetime(access=access))
    store = SqliteStore(server.data / "counterfoil.db").blocking()
    try:
        rows = ClientRows(store.rows, Lifetime())
        drive(rows.add(client, at=datetime.now(UTC), own_lifetime=True))
    finally:
        drive(store.close())


def _by_cookie(reply: Reply, session_id: str) -> SignedIn:
    if reply.cookie is None:
        raise NotAsSaid("The sign-in of a cookie client set no cookie.")
    pair = reply.cookie.partition(";")[0]
    secret = pair.partition("=")[2]
    given = Carried("Set-Cookie", reply.cookie, secret).shown
    return SignedIn(reply, session_id, Carried("Cookie", pair, secret), given, secret)
