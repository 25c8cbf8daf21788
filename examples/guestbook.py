# examples/guestbook.py: pages made on the server, with forms and cookies and not a line of script.
#
# Who signs in gets two cookies, a token and a handle that renews it: the middleware does that
# unseen. What another site makes a browser send is refused, and what guests write is shown as
# text, whatever it is. A real application also counts wrong passwords and knows weak ones:
# docs/passwords-and-throttling.md. Where passwords can change, see sign_in in notes.py.
#
#   make example NAME=guestbook

import argparse
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from shlex import quote
from urllib.parse import parse_qsl

import uvicorn
from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from counterfoil import Counterfoil, CounterfoilError, HybridStrategy, Lifetime, SqliteStore
from counterfoil.errors import IdentifierTaken, Malformed, PasswordRefused, SignInRefused, TooLarge
from counterfoil.integrations.asgi import (
    AuthMiddleware,
    carriers_of,
    current_session,
    optional_session,
)
from counterfoil.integrations.problem import problem
from counterfoil.integrations.starlette import clear_cookies, set_cookies

WELCOME = """Go to URL and sign your name. Ctrl-C stops. Or in another terminal:

  cd DATA
  ann() { curl -sSL -b ann -c ann "$@" | sed -n '/<main>/,/<.main>/p'; }
  ann -d name=ann --data-urlencode 'password=nine otters juggle' URL/register
  ann --data-urlencode 'text=<b>Lovely</b> otters' URL/entries
  ann -d text=Rubbish -H 'Sec-Fetch-Site: cross-site' URL/entries
  ann -d '' URL/sign-out
"""
LOOKS = Path(__file__).with_suffix("")
SHORTEST_PASSWORD = 15
LONGEST_FIELD = 500
LARGEST_FORM = 8192
GUARD = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

options = argparse.ArgumentParser(description="A guestbook: forms, cookies, no script.")
options.add_argument("--port", type=int, default=8102)
options.add_argument("--data", type=Path, default=Path("examples-data/guestbook"))
options.add_argument("--access-seconds", type=int, default=300, help="lifetime of a token")
chosen = options.parse_args()
chosen.data.mkdir(mode=0o700, parents=True, exist_ok=True)
url = f"http://localhost:{chosen.port}"

lifetime = Lifetime(access=timedelta(seconds=chosen.access_seconds))
auth = Counterfoil(
    store=SqliteStore(chosen.data / "guestbook.db"),
    issuer=url,
    strategy=HybridStrategy(audience="guestbook", carrier="cookie", lifetime=lifetime),
)
templates = Environment(loader=FileSystemLoader(LOOKS), autoescape=True, trim_blocks=True)
page = templates.get_template("page.html")
hasher = PasswordHasher(parallelism=1)
hashing = CapacityLimiter(os.cpu_count() or 1)  # a hash takes a core and 64 MiB
nobody = hasher.hash(uuid.uuid4().hex)  # an unknown name takes as long as a wrong password


async def rows(statement: str, *values: object) -> list[tuple[str, ...]]:
    def execute() -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(chosen.data / "guestbook.db")) as database, database:
            return database.execute(statement, values).fetchall()

    return await to_thread.run_sync(execute)


async def form_of(request: Request, *names: str) -> list[str]:
    """The fields of a form of this very site: a sign-in has no cookie yet, and is asked too."""
    carriers_of(request).refuse_cross_site(request.method, request.headers.raw)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise TooLarge
    fields = dict(parse_qsl(body.decode("utf-8", "replace")))
    if not all(0 < len(fields.get(name, "")) <= LONGEST_FIELD for name in names):
        raise Malformed(f"Fill in every field, with at most {LONGEST_FIELD} characters.")
    return [fields[name] for name in names]


async def show(request: Request) -> Response:
    session = optional_session(request)
    entries = await rows("SELECT name, text FROM entries ORDER BY rowid DESC LIMIT 100")
    name = session and session.claims["name"]
    return HTMLResponse(page.render(name=name, entries=entries), headers=GUARD)


async def write(request: Request) -> Response:
    session = current_session(request)
    [text] = await form_of(request, "text")
    await rows("INSERT INTO entries VALUES (?, ?)", session.claims["name"], text)
    return RedirectResponse("/", 303)


async def register(request: Request) -> Response:
    name, password = await form_of(request, "name", "password")
    if len(password) < SHORTEST_PASSWORD:
        raise PasswordRefused(f"The password has fewer than {SHORTEST_PASSWORD} characters.")
    guest = uuid.uuid4().hex
    encoded = await to_thread.run_sync(hasher.hash, password, limiter=hashing)
    try:
        await rows("INSERT INTO guests VALUES (?, ?, ?)", guest, name, encoded)
    except sqlite3.IntegrityError:
        raise IdentifierTaken from None
    return await signed_in(request, guest, name)


async def sign_in(request: Request) -> Response:
    name, password = await form_of(request, "name", "password")
    found = await rows("SELECT id, password FROM guests WHERE name = ?", name)
    guest, encoded = found[0] if found else (None, nobody)
    try:
        await to_thread.run_sync(hasher.verify, encoded, password, limiter=hashing)
    except VerificationError:
        raise SignInRefused from None
    if guest is None:
        raise SignInRefused
    return await signed_in(request, guest, name)


async def signed_in(request: Request, guest: str, name: str) -> Response:
    response = RedirectResponse("/", 303)
    set_cookies(response, request, await auth.open(guest, claims={"name": name}))
    return response


async def sign_out(request: Request) -> Response:
    await auth.revoke(current_session(request).session_id, because="signed_out")
    response = RedirectResponse("/", 303)
    clear_cookies(response, request)
    return response


async def refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, CounterfoilError):
        raise error
    found = problem(error)
    told = f"{found.body.get('detail', '')} {found.body.get('next_step', '')}"
    return HTMLResponse(page.render(told=told), found.status, GUARD)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    await rows("CREATE TABLE IF NOT EXISTS guests (id PRIMARY KEY, name UNIQUE, password)")
    await rows("CREATE TABLE IF NOT EXISTS entries (name, text)")
    folder = quote(str(chosen.data.resolve()))
    print(WELCOME.replace("URL", url).replace("DATA", folder), flush=True)
    yield
    await auth.close()


app = Starlette(
    routes=[
        Route("/", show),
        Route("/entries", write, methods=["POST"]),
        Route("/register", register, methods=["POST"]),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Mount("/looks", StaticFiles(directory=LOOKS)),
    ],
    middleware=[Middleware(AuthMiddleware, auth)],
    exception_handlers={CounterfoilError: refuse},
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=chosen.port, log_level="warning")
