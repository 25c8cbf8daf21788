"""What cases are built of: an engine over SQLite, and an issuer that publishes its keys."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import jwt

from counterfoil import Counterfoil, SqliteStore
from counterfoil.feeds.following import JWKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.ports import Keys

ISSUER: Final = "https://app.example"
AUDIENCE: Final = "app"


@contextmanager
def on_disk(
    place: Path, *, issuer: str = ISSUER, **settings: Any
) -> Iterator[tuple[Counterfoil, asyncio.Runner]]:
    """An engine with a database in this folder, and the loop that it runs in."""
    with asyncio.Runner() as runner:
        auth = Counterfoil(issuer=issuer, store=SqliteStore(place / "app.db"), **settings)
        try:
            yield auth, runner
        finally:
            runner.run(auth.close())


@contextmanager
def published(keys: Keys) -> Iterator[tuple[str, Keys]]:
    """The URL of an issuer where a Verifier finds these keys and no feed, and the keys."""

    class Published(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_found = self.path.partition("?")[0] == JWKS
            body = json.dumps(keys.public_keys().to_jwks()).encode() if is_found else b""
            self.send_response(HTTPStatus.OK if is_found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: the table is what is read here."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Published) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


def jwk_of(token: str, keys: Keys) -> dict[str, str]:
    """The public key of the token."""
    kid = jwt.get_unverified_header(token)["kid"]
    jwks: Any = keys.public_keys().to_jwks()
    found: dict[str, str] = next(jwk for jwk in jwks["keys"] if jwk["kid"] == kid)
    return found
