"""Connections that outlive the check of their credential: the awaitable, and the close codes.

`AuthMiddleware` needs none of this: it ends WebSockets and event streams by itself. This is for
what it does not see, such as other protocols and other kinds of streams.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from counterfoil.integrations.live_watch import follow
from counterfoil.integrations.problem import status_of

if TYPE_CHECKING:
    from counterfoil.credential import Verified
    from counterfoil.engine import Counterfoil
    from counterfoil.errors import CounterfoilError
    from counterfoil.verifier import Verifier

_POLICY_VIOLATION: Final = 1008  # RFC 6455 §7.4.1: "no other more suitable status code"
# As in the registry of RFC 6455 §11.7: Unauthorized, Forbidden, Try Again Later.
_CODES: Final = {
    HTTPStatus.UNAUTHORIZED: 3000,
    HTTPStatus.FORBIDDEN: 3003,
    HTTPStatus.TOO_MANY_REQUESTS: 1013,
    HTTPStatus.SERVICE_UNAVAILABLE: 1013,
}

__all__ = ["close_code", "ended"]


async def ended(auth: Counterfoil | Verifier, verified: Verified) -> CounterfoilError:
    """Waits until what a check found no longer holds, and returns the error that a check would
    raise now: an `AuthError`, or `Unavailable` where it cannot be known any more.

    It goes by what the check found and takes no credential: to wait is no use of one, and a
    session that is refreshed meanwhile goes on. auth: who made the check. Raises
    `ConfigurationError` for what none of its checks has made.
    """
    found: asyncio.Future[CounterfoilError] = asyncio.get_running_loop().create_future()

    def end(why: CounterfoilError) -> None:
        if not found.done():  # whoever waited may have been cancelled since
            found.set_result(why)

    leave = follow(auth.holding, verified, end)
    try:
        return await found
    finally:
        leave()


def close_code(error: CounterfoilError) -> int:
    """The code to close a WebSocket with; `error.code` is the reason to give.

    3000 for what HTTP answers 401, 3003 for 403, 1013 for 429 and 503, 1008 for anything else.
    """
    return _CODES.get(HTTPStatus(status_of(error)), _POLICY_VIOLATION)
