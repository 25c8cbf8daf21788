"""Which client a program speaks for: by its secret, in one of two places (RFC 6749 §2.3.1)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from counterfoil.carriers.headers import single
from counterfoil.errors import ClientRefused, Malformed
from counterfoil.events import Event
from counterfoil.server.urlencoded import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from counterfoil.client import Client
    from counterfoil.server.api.context import Context

METHODS: Final = ("client_secret_basic", "client_secret_post")
_BASIC: Final = re.compile(rb"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]{1,2048}={0,2})\Z")


@dataclass(frozen=True, slots=True)
class _Given:
    """What a program says who it is, unproven."""

    client_id: str
    secret: str


async def authenticated(request: Request, form: Mapping[str, str], parts: Context) -> Client:
    """The client of this call.

    Raises `Malformed` for two ways at once, `ClientRefused` for a wrong secret or none, and
    `TooManyAttempts` for a wrong one of an address with too many. A right one never waits: 256
    random bits are not guessed, and a neighbour's broken program harms nobody.
    """
    given = _basic(request, form) or _posted(form)
    client = await parts.clients.found(given.client_id)
    try:
        await parts.client_secrets.require(given.client_id, given.secret)
    except ClientRefused:
        now = parts.auth.clock.now()
        await parts.accounts.attempts.count_client(parts.address(request), now=now)
        known = client.client_id if client is not None else None
        await parts.auth.store.note(Event(kind="client_refused", at=now, client_id=known))
        raise
    if client is None:
        raise ClientRefused  # it was removed, and left a secret behind
    return client


def _basic(request: Request, form: Mapping[str, str]) -> _Given | None:
    header = single(request.headers.raw, b"authorization")
    if header is None:
        return None
    found = _BASIC.match(header)
    if found is None:
        raise ClientRefused("The Authorization header is not Basic with a client_id and a secret.")
    if "client_secret" in form:
        raise Malformed("Send the client secret in the Authorization header or in the body.")
    try:
        text = base64.b64decode(found[1], validate=True).decode("ascii")
        client_id, colon, secret = text.partition(":")
        given = _Given(decode(client_id), decode(secret))
    except (binascii.Error, UnicodeDecodeError, Malformed):
        raise ClientRefused("The Authorization header cannot be read as Basic.") from None
    if not colon or form.get("client_id", given.client_id) != given.client_id:
        raise ClientRefused("The Authorization header and the body name different clients.")
    return given


def _posted(form: Mapping[str, str]) -> _Given:
    if "client_id" not in form or "client_secret" not in form:
        raise ClientRefused(
            "Authenticate as a client: HTTP Basic, or client_id and client_secret in the body."
        )
    return _Given(form["client_id"], form["client_secret"])
