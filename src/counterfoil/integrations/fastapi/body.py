"""The body of a request, read to its end: bounded in size and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from counterfoil.errors import Malformed, TooLarge

if TYPE_CHECKING:
    from starlette.requests import Request

LIMIT: Final = 64 * 1024
WITHIN: Final = 10.0  # seconds


async def read_body(request: Request) -> bytes:
    """Raises `TooLarge` above 64 KiB, reading no further, and `Malformed` for a body that does not
    end within 10 seconds, or ends early."""
    body = bytearray()
    try:
        async with asyncio.timeout(WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LIMIT:
                    raise TooLarge(f"A body may have at most {LIMIT} bytes.")
    except TimeoutError:
        raise Malformed(f"The body did not arrive within {WITHIN:g} seconds.") from None
    except ClientDisconnect:
        raise Malformed("The body ended early.") from None  # nobody is left to hear it
    return bytes(body)
