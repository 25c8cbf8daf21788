"""An application that signs people in itself and publishes, with IssuerApp, what verifiers need.

It answers the three calls of the standalone server that these tests make, in its own small way.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import uvicorn

import live
from counterfoil import Client, Counterfoil, SqliteStore
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.server.serving import listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECOND: Final = timedelta(seconds=1)


class Application:
    """ASGI."""

    def __init__(self, auth: Counterfoil) -> None:
        self._auth = auth
        self._issuer = IssuerApp(auth)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        call = self._calls.get((scope.get("method", ""), scope.get("path", "")))
        if call is None:
            await self._issuer(scope, receive, send)
            return
        status, answer = await call(self, scope)
        body = json.dumps(answer).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _register(self, _: Any) -> tuple[int, Any]:
        return 201, {"subject": uuid4().hex}

    async def _sign_in(self, _: Any) -> tuple[int, Any]:
        opened = await self._auth.open("somebody")
        credential = {"token": opened.credential.token}
        return 201, {"session": {"id": opened.session.id}, "credential": credential}

    async def _sign_out(self, scope: Any) -> tuple[int, Any]:
        authorization = dict(scope["headers"])[b"authorization"].decode()
        revoked = await self._auth.revoke_presented(authorization.removeprefix("Bearer "))
        within = revoked.effective_within.total_seconds()
        return 200, {"revoked": revoked.count, "effective_within_seconds": within}

    _calls: Final[dict[tuple[str, str], Callable[..., Any]]] = {
        ("POST", "/v1/accounts"): _register,
        ("POST", "/v1/sessions"): _sign_in,
        ("DELETE", "/v1/session"): _sign_out,
    }


def serve(data: Path, port: int, ready: Callable[[int], None]) -> None:
    """Until it is told to stop."""

    async def main() -> None:
        sockets = listen("localhost", port)
        taken = sockets[0].getsockname()[1]
        auth = Counterfoil(
            issuer=f"http://localhost:{taken}",
            store=SqliteStore(data / "counterfoil.db"),
            clients=[Client(client_id="api", strategy="hybrid", max_staleness=SECOND)],
        )
        server = uvicorn.Server(uvicorn.Config(Application(auth), log_config=None, lifespan="off"))
        begin = server.startup

        async def startup(*given: Any, **named: Any) -> None:
            await begin(*given, **named)
            ready(taken)

        server.startup = startup  # type: ignore[method-assign]
        await server.serve(sockets=sockets)
        await auth.close()

    live.run(main())
