"""HTTP as it comes off the wire: bounded in size and time, and refused as a problem.

uvicorn alone reads heads of any size for as long as they last, and takes the trailers of a body
for headers: behind a proxy, what the proxy checked and removed could come in once more there.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from counterfoil.errors import CounterfoilError, Malformed, TooLarge
from counterfoil.integrations.problem import problem
from counterfoil.server.operations.requests import HEADER, Requests

HEAD_LIMIT: Final = 128 * 1024
HEAD_WITHIN: Final = 20.0  # seconds, from the connection or from the answer before
LINGER: Final = 2.0  # seconds; to close while more arrives would throw the refusal away


class Wire(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # addresses and queries may hold what was pasted there by mistake
        self._in_head = False
        self._size = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._refused = False
        self._refusal: CounterfoilError = Malformed("This is not HTTP/1.1.")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        was_in_head = self._in_head
        super().data_received(data)
        # A field that does not end is told by no callback.
        if was_in_head and self._in_head and not self._refused:
            self._size += len(data)
            if self._size > HEAD_LIMIT:
                self._refuse_head()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer, which may say nothing (RFC 9110 §6.5.1)
            self._size += len(name) + len(value) + 4
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        if self._size > HEAD_LIMIT:
            self._refuse_head()
            raise ValueError  # the parser tells `data_received`, which answers
        self._require_unambiguous()
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # the parser reads no further

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._await_head()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """The refusal of what could not be parsed; after the answers to what could."""
        del msg
        self._refused = True
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way and not self.cycle.more_body:
            self.cycle.keep_alive = False  # its answer is the last
            return
        if under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.pipeline or (under_way and self.cycle.response_started):
            self.transport.close()
        else:
            status, headers, members = problem(self._refusal)
            body = json.dumps(members, separators=(",", ":")).encode()
            headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
            if isinstance(self.config.app, Requests):
                named = self.config.app.refused(status, self._refusal.code)
                headers.append((HEADER, named.encode()))
            lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
            headers += self.server_state.default_headers
            lines += [name + b": " + value for name, value in headers]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
            self.transport.write_eof()
            self._stop_waiting()
            self._deadline = self.loop.call_later(LINGER, self.transport.close)

    def _require_unambiguous(self) -> None:
        """RFC 9112 §3.2: one Host. And no upgrade where it would cost the body: llhttp skips it."""
        names = [name for name, _ in self.headers]
        if names.count(b"host") != 1 and self.parser.get_http_version() == "1.1":
            self._refusal = Malformed("Send one Host header.")
            raise ValueError
        if self.parser.should_upgrade() and {b"content-length", b"transfer-encoding"} & {*names}:
            self._refusal = Malformed("Leave the Upgrade header out of a request with a body.")
            raise ValueError

    def _unsupported_upgrade_warning(self) -> None:
        """To ask for an upgrade is a client's right, and no news for the log."""

    def _refuse_head(self) -> None:
        self._refusal = TooLarge(f"The headers are longer than {HEAD_LIMIT} bytes.")

    def _await_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_WITHIN, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
