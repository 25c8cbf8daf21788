"""The configurations of docs/proxies.md, as they are printed there, in the real proxies."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "proxies.md"
REQUIRED: Final = "COUNTERFOIL_TEST_REQUIRE_PROXIES"
NAMES: Final = ("nginx", "caddy", "haproxy")
PROGRAMS: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
MAIN: Final = """
{user}
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{server}
}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the three are, in the place of those on the page."""

    public: int
    counterfoil: int
    application: int

    def put_into(self, text: str) -> str:
        for shown, port in (
            ("8080", self.public),
            ("127.0.0.1:8000", f"127.0.0.1:{self.counterfoil}"),
            ("127.0.0.1:9000", f"127.0.0.1:{self.application}"),
        ):
            text = text.replace(shown, str(port))
        return text


def printed(language: str, under: str) -> str:
    """The page's first block of this language under this heading."""
    return every(language, under)[0]


def every(language: str, under: str) -> list[str]:
    """The blocks of this language from this heading on."""
    section = re.split(rf"^#+ {under}$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, (language, under)
    return found


def required(name: str) -> str:
    """The program; without it the test skips aloud, or fails where CI says it must be there."""
    path = shutil.which(name, path=PROGRAMS)
    if path is None:
        told = f"{name} is not installed, so what is configured for it is not tested"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{told}, and {REQUIRED} is set")
        pytest.skip(told)
    return path


@contextmanager
def reserved() -> Iterator[int]:
    """A port that is given to nobody else, and that a proxy may listen on: it is bound, but nobody
    listens on it."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def command_of(name: str, folder: Path, ports: Ports) -> list[str]:
    """How to run the page's configuration, in the foreground and within this folder."""
    program = required(name)
    if name == "envoy":
        text = ports.put_into(printed("yaml", "Envoy"))
        text = text.replace("port_value: 8000", f"port_value: {ports.counterfoil}")
        text = text.replace("port_value: 9000", f"port_value: {ports.application}")
        (folder / "envoy.yaml").write_text(text)
        return [program, "-c", str(folder / "envoy.yaml"), "--disable-hot-restart"]
    if name == "traefik":
        static, dynamic = (ports.put_into(text) for text in every("toml", "Traefik"))
        (folder / "static.toml").write_text(static)
        (folder / "dynamic.toml").write_text(dynamic)
        return [program, "--configFile", str(folder / "static.toml")]
    if name == "nginx":
        path = folder / "nginx.conf"
        # Another user, which is what root's workers become, may not write to this folder.
        user = "user root;" if os.geteuid() == 0 else ""
        server = ports.put_into(printed("nginx", "nginx"))
        path.write_text(MAIN.format(user=user, server=server))
        told = "daemon off; error_log stderr warn; worker_processes 1;"
        return [program, "-e", "stderr", "-p", str(folder), "-c", str(path), "-g", told]
    if name == "caddy":
        path = folder / "Caddyfile"
        path.write_text("{\n\tadmin off\n}\n" + ports.put_into(printed("caddyfile", "Caddy")))
        return [program, "run", "--config", str(path), "--adapter", "caddyfile"]
    lua = folder / "counterfoil.lua"
    lua.write_text(printed("lua", "HAProxy"))
    text = ports.put_into(printed("haproxy", "HAProxy"))
    return _haproxy(program, folder, text.replace("/etc/haproxy/counterfoil.lua", str(lua)))


def _haproxy(program: str, folder: Path, text: str) -> list[str]:
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return [program, "-db", "-f", str(path)]


def verifying(folder: Path, ports: Ports, *, issuer: str, keys: Path) -> list[str]:
    """The same for the configuration in which HAProxy verifies tokens itself."""
    text = printed("haproxy", "A proxy that verifies JWTs itself")
    text = text.replace("http://localhost:8000", issuer).replace("/etc/haproxy/keys", str(keys))
    return _haproxy(required("haproxy"), folder, ports.put_into(text))


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """The program, until it answers and for as long as it is needed."""
    environment = {"PATH": PROGRAMS, "HOME": str(folder), "GOMAXPROCS": "1"}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            serving.until(lambda: process.poll() is not None or _answers(port), timeout=30)
            log.seek(0)
            assert process.poll() is None, log.read()
            yield
            assert process.poll() is None, (folder / "log").read_text()
        finally:
            process.terminate()
            process.wait(20)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def fetched_keys(issuer: str, folder: Path) -> Path:
    """The public keys as the page's program writes them."""
    program = folder / "keys.py"
    program.write_text(printed("python", "A proxy that verifies JWTs itself"))
    keys = folder / "keys"
    keys.mkdir()
    subprocess.run([sys.executable, str(program), issuer, str(keys)], check=True, timeout=60)
    return keys
