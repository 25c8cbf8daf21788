"""A terminal to type commands in, and a server to type them beside."""

from __future__ import annotations

import os
import pty
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

import prepared
from counterfoil.cli.main import main
from counterfoil.server.passwords.hashing import CHEAPEST, PasswordHasher
from prepared import Running, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to make one costs more than a request
PROGRAM: Final = (sys.executable, "-m", "counterfoil.cli.main")
PASSWORD: Final = "plum-anchor-violet-hatch"
PATIENCE: Final = 60.0
OURS: Final = ("COUNTERFOIL_", "FORCE_COLOR", "NO_COLOR", "COLUMNS")


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int | None
    out: str
    err: str = ""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, **more}


def command(*arguments: str, patch: str = "") -> None:
    """What a process of its own runs: `counterfoil` with these arguments, after this statement.
    Passwords are hashed as cheaply as may be: with what people are given, that would be a tenth of
    all that the tests do."""
    PasswordHasher.__init__.__defaults__ = (CHEAPEST,)
    exec(patch, {})  # noqa: S102 - the test's own
    sys.argv = ["counterfoil", *arguments]
    main()


@dataclass(frozen=True)
class Terminal:
    """Runs `counterfoil` in a folder, as somebody would who works there."""

    folder: Path

    def __call__(
        self,
        *arguments: str,
        stdin: str = "",
        env: dict[str, str] | None = None,
        patch: str = "",
    ) -> Said:
        """patch: a statement that is run first."""
        with tempfile.TemporaryDirectory() as place:
            typed, out, err = (Path(place) / name for name in ("in", "out", "err"))
            typed.write_text(stdin, encoding="utf-8")
            into = Surroundings(self.folder, environment(**(env or {})), typed, out, err)
            code = Running(partial(command, patch=patch), *arguments, into=into).wait(PATIENCE)
            return Said(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def typing(self, *arguments: str, keys: list[tuple[str, str]]) -> Said:
        """On a terminal: once a text is there, its keys are typed. Everything is shown."""
        master, slave = pty.openpty()
        with subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=self.folder,
            env=environment(TERM="xterm", NO_COLOR="1"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        ) as process:
            os.close(slave)
            shown, waiting = "", list(keys)
            while read := _read(master):
                shown += read
                if waiting and waiting[0][0] in shown:
                    os.write(master, waiting.pop(0)[1].encode())
            os.close(master)
        return Said(process.returncode, shown)


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode()
    except OSError:  # how Linux says that the other side has closed
        return ""


@dataclass
class Served:
    """A server that runs, what it told when it started, and the terminal beside it."""

    process: Running
    told: str
    log: Path
    data: Path
    terminal: Terminal
    names: Iterator[int] = field(default_factory=count)

    @property
    def url(self) -> str:
        found: list[str] = re.findall(r"http://localhost:\d+", self.told)
        return found[-1]

    @property
    def demo_password(self) -> str:
        found = re.search(r"as demo, password (\S+), role admin", self.told)
        assert found is not None, self.told
        return found[1]

    def run(self, *arguments: str, stdin: str = "") -> Said:
        """A command beside the server, on its data."""
        return self.terminal(*arguments, "--data", str(self.data), stdin=stdin)

    def call(self, method: str, path: str, **more: Any) -> Any:
        token = more.pop("token", None)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.request(
            method, self.url + path, headers=headers, timeout=PATIENCE, verify=_NO_TLS, **more
        )

    def registered(self) -> str:
        """A new account's identifier."""
        name = f"ada-{next(self.names)}"
        sent = {"identifier": name, "password": PASSWORD}
        assert self.call("POST", "/v1/accounts", json=sent).status_code == 201
        return name

    def signed_in(self, name: str, client: str = "api", password: str = PASSWORD) -> Any:
        """What signing in answers."""
        sent = {"client_id": client, "identifier": name, "password": password}
        return self.call("POST", "/v1/sessions", json=sent).json()

    def refreshed(self, credential: dict[str, Any]) -> str:
        """The token that a refresh gives."""
        sent = {"refresh_handle": credential["refresh_handle"]}
        answer = self.call("POST", "/v1/session/refresh", json=sent).json()
        return str(answer["credential"]["token"])

    def code(self, token: str) -> str:
        """What GET /v1/session says to a token: a code, or that it is accepted."""
        answer = self.call("GET", "/v1/session", token=token)
        return "accepted" if answer.status_code == 200 else str(answer.json()["code"])

    def soon(self, token: str, code: str, *, within: float) -> bool:
        """Whether a token comes to be answered so."""
        end = time.monotonic() + within
        while (last := self.code(token)) != code and time.monotonic() < end:
            time.sleep(0.02)
        return last == code

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start(
    folder: Path,
    *arguments: str,
    last: str = "-X DELETE",
    patch: str = "",
    own_group: bool = False,
) -> Served:
    """Starts a server and reads what it tells, up to the line that has `last`."""
    data, log, told = folder / "data", folder / "log", ""
    process = prepared.start(
        partial(command, patch=patch),
        *("serve", "--port", "0", "--data", str(data), *arguments),
        folder=folder,
        environment=environment(),
        stderr=log,
        own_group=own_group,
    )
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if last in line:
            break
    assert last in told, log.read_text()
    return Served(process, told, log, data, Terminal(folder))
