"""A server that really listens, and people who call it: HTTP over sockets, nothing in between."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import uvloop

import prepared
from counterfoil.client import Client
from counterfoil.lifetime import Lifetime
from counterfoil.server.composition import TABLES, compose
from counterfoil.server.operations import logs
from counterfoil.server.passwords.hashing import CHEAPEST, PasswordHasher
from counterfoil.server.serving import demo_account, listen, web_server
from counterfoil.server.settings import Settings
from counterfoil.server.storing import opened
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate
from prepared import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from counterfoil.server.composition import Server

PASSWORD: Final = "otters juggle nine brass lanterns"
WRONG: Final = "walruses knit seven paper anchors"
OTHER: Final = "herons borrow three velvet ladders"
PATIENCE: Final = 60.0  # seconds; how long anything here may take before it counts as hanging
SECOND: Final = timedelta(seconds=1)

BRIEF: Final = Lifetime(grace=SECOND)
FLEETING: Final = Lifetime(idle=2 * SECOND, absolute=4 * SECOND, access=SECOND)
HASTY: Final = Lifetime(access=2 * SECOND)
# Beside the three of a fresh development server.
MORE_CLIENTS: Final = (
    Client(client_id="spa", strategy="hybrid", carrier="cookie", manage=True),
    Client(client_id="kiosk", strategy="jwt", carrier="cookie", manage=True),
    Client(client_id="phone", strategy="session", manage=True),
    Client(client_id="other", strategy="hybrid", manage=True),
    Client(client_id="same-audience", strategy="jwt", audience="api"),
    Client(client_id="brief", strategy="hybrid", lifetime=BRIEF, manage=True),
    Client(client_id="brief-web", strategy="session", carrier="cookie", lifetime=BRIEF),
    Client(client_id="hasty", strategy="jwt", lifetime=HASTY),
    Client(client_id="hasty-spa", strategy="hybrid", carrier="cookie", lifetime=HASTY),
    Client(client_id="fleeting", strategy="session", carrier="cookie", lifetime=FLEETING),
    Client(client_id="rsa", strategy="jwt", algorithm="RS256", typ="JWT"),
)
Process: TypeAlias = Popen[str] | Running


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The stable code of a refusal; empty for what is none."""
        is_problem = self.header("content-type") == "application/problem+json"
        return str(self.json.get("code", "")) if is_problem else ""

    def header(self, name: str) -> str | None:
        found = [value for each, value in self.headers if each.lower() == name]
        assert len(found) <= 1, name
        return found[0] if found else None

    def set_cookies(self) -> list[str]:
        return [value for name, value in self.headers if name.lower() == "set-cookie"]


@dataclass(slots=True)
class Site:
    """A server and how to reach it."""

    port: int
    data: Path
    demo_password: str | None
    server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> Answer:
        """One request on a connection of its own. body: bytes as they are, all else as JSON."""
        named = [*headers.items()] if hasattr(headers, "items") else [*headers]
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None and not any(name.lower() == "content-type" for name, _ in named):
            named.append(("Content-Type", "application/json"))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in named:
                connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            got = connection.getresponse()
            return Answer(got.status, got.getheaders(), got.read())
        finally:
            connection.close()

    def raw(self, *pieces: bytes, shut: bool = False) -> bytes:
        """These bytes, and what the server says to them until it closes or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as wire:
            answer = b""
            try:
                for piece in pieces:
                    wire.sendall(piece)
                if shut:
                    wire.shutdown(socket.SHUT_WR)
                wire.settimeout(1)
                while more := wire.recv(65536):
                    answer += more
            except (TimeoutError, ConnectionError):
                pass
            return answer

    def person(self, *, password: str = PASSWORD) -> Person:
        """Somebody new, registered here."""
        identifier = f"{uuid.uuid4().hex}@example.org"
        answer = self.call("POST", "/v1/accounts", {"identifier": identifier, "password": password})
        assert answer.status == 201, answer
        return Person(self, identifier, password, answer.json["subject"])

    def administrator(self) -> Device:
        """The demo account, signed in."""
        assert self.demo_password is not None
        return Person(self, "demo", self.demo_password, "").sign_in("api")


@dataclass(slots=True)
class Person:
    """Somebody with an account."""

    site: Site
    identifier: str
    password: str
    subject: str

    def try_sign_in(self, client_id: str = "api", password: str | None = None) -> Answer:
        sent = {
            "client_id": client_id,
            "identifier": self.identifier,
            "password": password or self.password,
        }
        return self.site.call("POST", "/v1/sessions", sent)

    def sign_in(self, client_id: str = "api") -> Device:
        answer = self.try_sign_in(client_id)
        assert answer.status == 201, answer
        device = Device(self, client_id, answer.json["session"]["id"])
        device.keep(answer)
        return device


@dataclass(slots=True)
class Device:
    """A signed-in client: keeps what it is given and sends it along."""

    person: Person
    client_id: str
    session_id: str
    token: str = ""
    handle: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    opened: dict[str, Any] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        return self.person.site

    @property
    def secrets(self) -> list[str]:
        return [text for text in (self.token, self.handle, *self.cookies.values()) if text]

    def keep(self, answer: Answer) -> None:
        """Takes over what an answer hands out, as a browser or a program would."""
        for line in answer.set_cookies():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "max-age=0" in line.lower():
                del self.cookies[name]
        shown = answer.json if answer.status in {200, 201} else {}
        if "credential" in shown:
            self.opened = shown
            self.token = shown["credential"].get("token", "")
            self.handle = shown["credential"].get("refresh_handle", "")

    def headers(self) -> dict[str, str]:
        if self.cookies:
            return {"Cookie": "; ".join(f"{name}={text}" for name, text in self.cookies.items())}
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = self.site.call(method, path, body, {**self.headers(), **(headers or {})})
        self.keep(answer)
        return answer

    def who(self) -> Answer:
        return self.call("GET", "/v1/session")

    def refresh(self) -> Answer:
        """By cookie where there are cookies, else by the handle in the body."""
        if self.cookies:
            return self.call("POST", "/v1/session/refresh")
        sent = {"refresh_handle": self.handle or self.token}
        answer = self.site.call("POST", "/v1/session/refresh", sent)
        self.keep(answer)
        return answer

    def sign_out(self) -> Answer:
        return self.call("DELETE", "/v1/session")


async def made(
    settings: Settings, hasher: PasswordHasher | None = None
) -> tuple[Server, str | None]:
    """A server with more clients, registered as the command line would, and demo's password."""
    store = opened(settings).tables
    await migrate(store.rows, component="server", package=TABLES)
    rows = ClientRows(store.rows, settings.lifetime)
    for client in MORE_CLIENTS:
        await rows.add(client, at=datetime.now(UTC), own_lifetime=True)
    await store.close()
    server = await compose(settings, hasher=hasher or PasswordHasher(CHEAPEST, threads=2))
    return server, await demo_account(server) if settings.dev else None


def run(main: Coroutine[Any, Any, None]) -> None:
    """On the loop that `counterfoil serve` takes."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def in_this_process(settings: dict[str, Any], *, cheap: bool) -> None:
    """What a process of its own runs; tells on standard output where it listens."""
    chosen = Settings(**settings)
    logs.configure(chosen.log_level)
    sockets = listen("localhost", chosen.port if settings.get("port") else 0)
    port = sockets[0].getsockname()[1]
    chosen = chosen.model_copy(update={"port": port})
    server, password = await made(chosen, None if cheap else PasswordHasher())

    def ready() -> None:
        print(json.dumps({"port": port, "demo_password": password}), flush=True)  # noqa: T201

    await web_server(server, ready).serve(sockets=sockets)


@contextmanager
def serving(data: Path, *, hasher: PasswordHasher | None = None, **settings: Any) -> Iterator[Site]:
    """A server in a thread, at the cheapest hash unless another hasher is given."""
    data.mkdir(mode=0o700, exist_ok=True)
    sockets = listen("localhost", 0)
    port = sockets[0].getsockname()[1]
    chosen = Settings(**{"dev": True, "data": data, **settings, "port": port})
    started = threading.Event()
    site: list[Site] = []
    stop: list[Callable[[], None]] = []

    async def serve() -> None:
        server, password = await made(chosen, hasher)
        site.append(Site(port, data, password, server))
        web = web_server(server, started.set)
        stop.append(lambda: setattr(web, "should_exit", True))
        await web.serve(sockets=sockets)

    thread = threading.Thread(target=lambda: run(serve()), name="live server")
    thread.start()
    try:
        assert started.wait(PATIENCE), "the server did not start"
        yield site[0]
    finally:
        if stop:
            stop[0]()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def process(
    data: Path, *, cheap: bool = True, anew: bool = False, **settings: Any
) -> Iterator[tuple[Site, Process]]:
    """A server in a process of its own, its log beside the data; killed at the end if it still
    lives. anew: the program is loaded for it, as by somebody who starts it."""
    data.mkdir(mode=0o700, exist_ok=True)
    log = data.with_suffix(".log")
    chosen = json.dumps({"dev": True, "data": str(data), **settings, "cheap": cheap})
    with _begun(chosen, log, anew=anew) as running:
        try:
            assert running.stdout is not None
            ready = json.loads(running.stdout.readline() or "null")
            assert ready, log.read_text()
            yield Site(ready["port"], data, ready["demo_password"]), running
        finally:
            running.kill()


def _begun(chosen: str, log: Path, *, anew: bool) -> Process:
    if anew:
        with log.open("a") as errors:
            command = [sys.executable, __file__, chosen]
            return Popen(command, stdout=PIPE, stderr=errors, text=True)
    return prepared.start(
        _own_process, chosen, folder=Path.cwd(), environment=dict(os.environ), stderr=log
    )


def _own_process(chosen: str) -> None:
    settings = json.loads(chosen)
    run(in_this_process(settings, cheap=settings.pop("cheap")))


def until(holds: Callable[[], bool], *, patience: float = PATIENCE) -> None:
    """Waits for something that comes true by itself."""
    give_up = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < give_up, "it did not come true"
        time.sleep(0.02)


if __name__ == "__main__":
    _own_process(sys.argv[1])
