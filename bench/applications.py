"""Requests to applications in this process, without sockets: what the check adds to each."""

# FastAPI finds what an annotation within a function names only where annotations are no strings.

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bench.bare import app as bare
from bench.bare import say
from bench.engines import AUDIENCE, ISSUER, jwk_of, on_disk
from bench.measuring import Case, Contender, awaits
from counterfoil import Client, Counterfoil
from counterfoil.integrations.asgi import AuthMiddleware, current_session
from counterfoil.integrations.fastapi import CurrentSession, protect

CLIENTS: Final = (
    Client(client_id="hybrid", strategy="hybrid", audience=AUDIENCE),
    Client(client_id="session", strategy="session"),
)
OK: Final = 200
Measure = Callable[[int], float]


@contextmanager
def middleware(place: Path) -> Iterator[Case]:
    with on_disk(place, clients=CLIENTS) as (auth, runner):
        hybrid, session = (_bearer(runner, auth, each.client_id) for each in CLIENTS)
        protected = AuthMiddleware(_says_who, auth)
        contenders = [
            Contender("no middleware (floor)", _asked(runner, bare)),
            Contender("AuthMiddleware, hybrid", _asked(runner, protected, hybrid)),
            Contender("AuthMiddleware, session", _asked(runner, protected, session)),
        ]
        if find_spec("itsdangerous"):
            contenders.append(_signed_cookie(runner))
        yield Case("an ASGI application, called in process, by bearer", contenders)


@contextmanager
def fastapi(place: Path) -> Iterator[Case]:
    with on_disk(place, clients=CLIENTS) as (auth, runner):
        hybrid, session = (_bearer(runner, auth, each.client_id) for each in CLIENTS)
        key = jwt.PyJWK.from_dict(jwk_of(hybrid[1].decode().partition(" ")[2], auth.keys))
        protected = _by_session(auth)
        yield Case(
            "a FastAPI endpoint, called in process, by bearer",
            (
                Contender("FastAPI, no check (floor)", _asked(runner, _open_to_all())),
                Contender("CurrentSession, hybrid", _asked(runner, protected, hybrid)),
                Contender("CurrentSession, session", _asked(runner, protected, session)),
                Contender("HTTPBearer, PyJWT decode", _asked(runner, _by_pyjwt(key), hybrid)),
            ),
        )


def _bearer(runner: asyncio.Runner, auth: Counterfoil, client_id: str) -> tuple[bytes, bytes]:
    opened = runner.run(auth.open("ann", client_id=client_id))
    return b"authorization", f"Bearer {opened.credential.token}".encode()


def _asked(runner: asyncio.Runner, app: Any, *carried: tuple[bytes, bytes]) -> Measure:
    """Measures one GET after another; each must be answered with 200."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "server": ("app.example", 443),
    }
    headers = [(b"host", b"app.example"), (b"accept", b"*/*"), *carried]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", OK) != OK:
            raise AssertionError(f"The answer was {message['status']}, so nothing is measured.")

    def ask() -> Awaitable[None]:
        answer: Awaitable[None] = app({**scope, "headers": [*headers]}, receive, send)
        return answer

    return awaits(runner, ask)


async def _says_who(scope: Any, _receive: Any, send: Any) -> None:
    await say(send, current_session(scope).subject.encode())


def _signed_cookie(runner: asyncio.Runner) -> Contender:
    from starlette.middleware.sessions import SessionMiddleware

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await say(send, scope["session"]["subject"].encode())

    signer: Any = import_module("itsdangerous")
    data = signer.TimestampSigner("a secret").sign(
        b64encode(json.dumps({"subject": "ann"}).encode())
    )
    signed = SessionMiddleware(app, secret_key="a secret")  # noqa: S106 - signs a bench's cookie
    carried = (b"cookie", b"session=" + data)
    return Contender("Starlette SessionMiddleware", _asked(runner, signed, carried))


def _open_to_all() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"of": "ann"}

    return app


def _by_session(auth: Counterfoil) -> FastAPI:
    app = FastAPI()
    protect(app, auth)

    @app.get("/")
    async def hello(session: CurrentSession) -> dict[str, str]:
        return {"of": session.subject}

    return app


def _by_pyjwt(key: jwt.PyJWK) -> FastAPI:
    app = FastAPI()
    bearer = HTTPBearer()

    async def claims(
        given: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
    ) -> dict[str, Any]:
        return jwt.decode(
            given.credentials, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER
        )

    @app.get("/")
    async def hello(found: Annotated[dict[str, Any], Depends(claims)]) -> dict[str, str]:
        return {"of": found["sub"]}

    return app
