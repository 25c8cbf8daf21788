"""What a proxy asks: for which audience, and what besides. Strict: a misspelt condition that was
left out would let in whom the operator wanted kept out.

`/v1/check?audience=A` is asked about a request that headers describe. A proxy that can only put a
prefix before the path (Envoy) asks `/v1/check/as-sent/A` and the path: method and path of the
call are then those of the request, and its query is the client's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from counterfoil.errors import ClientUnknown, Malformed, NotFound, WrongAudience
from counterfoil.server.urlencoded import parse

if TYPE_CHECKING:
    from starlette.types import Scope

    from counterfoil.server.clients import RegisteredClients

PATH: Final = "/v1/check"
AS_SENT: Final = PATH + "/as-sent/"
KEPT: Final = 256
_NAMES: Final = ("audience", "client_id", "login", "role")
_LOGIN: Final = frozenset({None, "redirect", "header"})
_ROLE: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Question:
    """client_id: whose cookie counts. login: how somebody without a credential is told where to
    sign in. is_as_sent: whether the call's method and path are those of the request."""

    audience: str
    client_id: str | None = None
    role: str | None = None
    login: str | None = None
    is_as_sent: bool = False


class Questions:
    """Reads calls, and keeps what they ask: one proxy asks the same again and again."""

    def __init__(self, clients: RegisteredClients, *, pages_client: str) -> None:
        self._clients = clients
        self._pages_client = pages_client
        self._made_for = -1
        self._known: dict[bytes, Question] = {}

    def read(self, scope: Scope) -> Question:
        """Raises `Malformed` and `ClientUnknown` for what the operator got wrong, `WrongAudience`
        where no client has that audience: it may be added while the proxy runs."""
        len(self._clients)  # follows the table, and only then `version` is that of now
        if self._made_for != self._clients.version or len(self._known) >= KEPT:
            self._made_for, self._known = self._clients.version, {}
        key = _key(scope)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._read(key)
        return found

    def _read(self, key: bytes) -> Question:
        if key.startswith(b"/"):
            audience = unquote_to_bytes(key[1:]).decode("latin-1")
            return Question(audience, self._cookie_of(audience), is_as_sent=True)
        fields = _fields(key[1:])
        audience, client_id = fields["audience"], fields.get("client_id")
        role, login = fields.get("role"), fields.get("login")
        if role is not None and not _ROLE.match(role):
            raise Malformed("A role has 1 to 64 of A-Z, a-z, 0-9 and _ . : / -")
        if login not in _LOGIN:
            raise Malformed("login is redirect or header.")
        if login is not None:
            self._require_sign_in(audience)
        if client_id is None:
            client_id = self._cookie_of(audience)
        elif client_id not in self._clients:
            raise ClientUnknown
        elif self._clients[client_id].audience != audience:
            raise Malformed("The client_id has another audience.")
        return Question(audience, client_id, role, login)

    def _require_sign_in(self, audience: str) -> None:
        """The pages can help: sent there for another audience, a person would go in circles."""
        client = self._clients.get(self._pages_client)
        if client is None or client.audience != audience:
            raise Malformed("login is for the audience of the client that the pages sign in to.")

    def _cookie_of(self, audience: str) -> str | None:
        """Whose cookie is meant where nobody says so: the audience's one cookie client."""
        its = [client for client in self._clients.values() if client.audience == audience]
        if not its:
            raise WrongAudience(f"No registered client has the audience that {PATH} is asked for.")
        names = [client.client_id for client in its if client.carrier == "cookie"]
        return names[0] if len(names) == 1 else None


def _key(scope: Scope) -> bytes:
    """What the question is told by: the query, or the segment after `as-sent`."""
    raw: bytes = scope["raw_path"]
    if raw == PATH.encode():
        query: bytes = scope["query_string"]
        return b"?" + query
    prefix = AS_SENT.encode()
    if not raw.startswith(prefix):
        raise NotFound("There is nothing at this address.")
    return b"/" + raw[len(prefix) :].partition(b"/")[0]


def _fields(query: bytes) -> dict[str, str]:
    try:
        fields = parse(query)
    except Malformed:
        raise Malformed("The query cannot be read, or a parameter is there twice.") from None
    if not fields.keys() <= set(_NAMES):
        raise Malformed(f"A query parameter is not known here; there are: {', '.join(_NAMES)}.")
    if not fields.get("audience"):
        raise Malformed(
            "Add ?audience= with the audience of the application behind the proxy: credentials of"
            " other applications are not for it."
        )
    return fields
