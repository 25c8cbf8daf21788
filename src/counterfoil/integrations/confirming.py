"""`GET /v1/session?confirm=true` of an issuer: what the record says of the credential that asks."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Protocol

from counterfoil.carriers import bearer
from counterfoil.errors import ConfigurationError, CredentialMissing, Malformed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from datetime import datetime

    from counterfoil.client import Client
    from counterfoil.credential import Presented, Verified
    from counterfoil.ports import Store

PATH: Final = "/v1/session"
QUERY: Final = b"confirm=true"


class Confirming(Protocol):
    """Whose credentials they are: `Counterfoil`, and `BlockingCounterfoil`, which is asked in a
    thread of its own."""

    @property
    def clients(self) -> Mapping[str, Client]: ...

    @property
    def store(self) -> Store: ...

    def confirm(self, presented: str | Presented) -> Awaitable[Verified] | Verified: ...


def keeps_records(auth: Confirming) -> bool:
    """Whether there is a record to ask."""
    try:
        return auth.store is not None
    except ConfigurationError:
        return False


async def confirmed(auth: Confirming, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, as the standalone server gives it. A bearer header alone is read: a cookie is
    for the application's own pages. Raises as `Counterfoil.confirm` does."""
    if scope.get("query_string", b"") != QUERY:
        raise Malformed("Ask with the query confirm=true, and no other.")
    presented = bearer.read(scope["headers"])
    if presented is None:
        raise CredentialMissing
    verified = await _confirm(auth, presented)
    return {
        "subject": verified.subject,
        "session_id": verified.session_id,
        "client_id": verified.client_id,
        "audience": auth.clients[verified.client_id].audience,
        "strategy": verified.strategy,
        "claims": verified.claims,
        "auth_time": _rfc3339(verified.auth_time),
        "as_of": _rfc3339(verified.as_of),
        "expires_at": _rfc3339(verified.expires_at),
    }


async def _confirm(auth: Confirming, presented: Presented) -> Verified:
    if not inspect.iscoroutinefunction(auth.confirm):
        # It may wait for a database, and must not have the loop wait with it.
        answer = await asyncio.to_thread(auth.confirm, presented)
    else:
        answer = auth.confirm(presented)
    return await answer if inspect.isawaitable(answer) else answer


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
