"""What a person is told once the server answers: where to go, as whom, and what to try."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterator

from counterfoil.cli.output import tell
from counterfoil.server.serving import DEMO, Ready
from counterfoil.server.settings import Settings

WIDTH = 88


def welcome(ready: Ready) -> None:
    for paragraph in _development(ready) if ready.settings.dev else _production(ready):
        tell(paragraph)


def _development(ready: Ready) -> Iterator[str]:
    url, settings = ready.url, ready.settings
    registration = "open" if settings.registration_is_open else "closed"
    yield _filled(
        f"Counterfoil serves in development{_workers(settings)}: data in {settings.data},"
        f" registration {registration}, Ctrl-C to stop."
    )
    yield _filled(
        "Its clients are web (server-side session in a cookie), api (hybrid: a token that can be"
        " revoked) and partner (jwt). Below, write api or partner for web to be given a token,"
        f" which goes into the header Authorization: Bearer. All calls: {url}/openapi.json"
    )
    if settings.pages_client:
        yield f"To see how each works, and break it: {url}/lab"
    known = f"password {ready.demo_password}" if ready.demo_password else "the password you set"
    yield f"\nGo to {url} and sign in as {DEMO}, {known}, role admin:\n"
    for command in _commands(ready):
        yield f"  {command}"


def _commands(ready: Ready) -> Iterator[str]:
    """Sign in, who am I, sign out. The cookies are kept in the data folder: it is private."""
    jar = shlex.quote(str(ready.settings.data / "cookies"))
    sent = {
        "client_id": "web",
        "identifier": DEMO,
        "password": ready.demo_password or "YOUR PASSWORD",
    }
    body = shlex.quote(json.dumps(sent, separators=(",", ":")))
    kind = "-H 'Content-Type: application/json'"
    yield f"curl -c {jar} {kind} -d {body} {ready.url}/v1/sessions"
    yield f"curl -b {jar} {ready.url}/v1/session"
    yield f"curl -b {jar} -c {jar} -X DELETE {ready.url}/v1/session"


def _production(ready: Ready) -> Iterator[str]:
    settings = ready.settings
    data = shlex.quote(str(settings.data))
    registration = "open" if settings.registration_is_open else "closed"
    yield _filled(
        f"Counterfoil serves on {settings.host}, port {settings.port}{_workers(settings)}:"
        f" data in {settings.data}, registration {registration}."
        f" All calls: {ready.url}/openapi.json"
    )
    yield (
        "\nThe first administrator and the first application are added from the command line:\n\n"
        f"  counterfoil accounts add NAME --role admin --data {data}\n"
        f"  counterfoil clients add web --strategy session --manage --data {data}\n"
    )
    yield f"Go to {ready.url}"


def _workers(settings: Settings) -> str:
    return f", with {settings.workers} workers" if settings.workers > 1 else ""


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
