"""nginx with caching on, before an issuer: once as its manual has it, once as nobody should."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from proxies import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NGINX: Final = """
    log_format told '$server_port $uri $status $request_time $upstream_cache_status';
    access_log {folder}/requests told;
    proxy_cache_path {folder}/ordinary keys_zone=ordinary:1m;
    proxy_cache_path {folder}/greedy keys_zone=greedy:1m;
    gzip on;
    gzip_types *;
    gzip_proxied any;
    gzip_min_length 1;
    upstream issuer {{
        server 127.0.0.1:{issuer};
        keepalive 8;
    }}
    server {{
        listen 127.0.0.1:{ordinary};
        location / {{
            proxy_pass http://issuer;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache ordinary;
        }}
    }}
    server {{
        listen 127.0.0.1:{greedy};
        location / {{
            proxy_pass http://127.0.0.1:{issuer};
            proxy_http_version 1.0;
            proxy_read_timeout 5s;
            proxy_cache greedy;
            proxy_cache_valid any 1h;
            proxy_ignore_headers Cache-Control Expires Set-Cookie;
        }}
    }}
"""


class Request(NamedTuple):
    """One that went through. cached: what nginx says of its cache."""

    port: int
    path: str
    status: int
    seconds: float
    cached: str


@dataclass(frozen=True, slots=True)
class Caches:
    """ordinary: the port of the one that does as it is told. greedy: of the one that keeps every
    answer for an hour, whatever the issuer says about it."""

    ordinary: int
    greedy: int
    _log: Path

    def requests(self) -> list[Request]:
        split = (line.split() for line in self._log.read_text().splitlines())
        return [
            Request(int(port), path, int(status), float(seconds), cached)
            for port, path, status, seconds, cached in split
        ]


@contextmanager
def caches(folder: Path, issuer: int) -> Iterator[Caches]:
    """Both. issuer: its port. Without nginx the test skips aloud, or fails where CI wants it."""
    program = running.required("nginx")
    folder.mkdir()
    with ExitStack() as stack:
        ordinary, greedy = (stack.enter_context(running.reserved()) for _ in range(2))
        server = NGINX.format(folder=folder, issuer=issuer, ordinary=ordinary, greedy=greedy)
        user = "user root;" if os.geteuid() == 0 else ""
        path = folder / "nginx.conf"
        path.write_text(
            running.MAIN.format(user=user, server=server).replace("access_log off;", "")
        )
        told = "daemon off; error_log stderr warn; worker_processes 1;"
        command = [program, "-e", "stderr", "-p", str(folder), "-c", str(path), "-g", told]
        stack.enter_context(running.running(command, folder, ordinary))
        yield Caches(ordinary, greedy, folder / "requests")
