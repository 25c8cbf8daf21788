"""A TCP proxy between verifiers and the server, which counts bytes and can be cut: then it goes on
holding every connection and forwards nothing, as a network does that has lost a route."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.feed.node import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

CHUNK: Final = 65536
ANSWER: Final = b"HTTP/1.1 "


class Counted(NamedTuple):
    """sent: bytes from verifiers; received: bytes to them; answers: how many of those began."""

    sent: int
    received: int
    answers: int
    largest: int

    def since(self, before: Counted) -> Counted:
        return Counted(
            self.sent - before.sent,
            self.received - before.received,
            self.answers - before.answers,
            self.largest,
        )


class Passage:
    """Listens at `port`, on loopback; forwards to `leads_to` once that is set."""

    def __init__(self) -> None:
        self._listening = socket.create_server((HOST, 0), backlog=1024)
        self.port: int = self._listening.getsockname()[1]
        self.leads_to = 0
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._over = asyncio.Event()
        self._sent = self._received = self._answers = self._largest = 0

    def counted(self) -> Counted:
        return Counted(self._sent, self._received, self._answers, self._largest)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def run(self) -> None:
        with self._runner:
            self._runner.run(self._serve())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, sock=self._listening)
        await self._over.wait()
        server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        there, back = await asyncio.open_connection(HOST, self.leads_to)
        await asyncio.gather(self._upward(reader, back), self._downward(there, writer))

    async def _upward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for chunk in self._chunks(reader, writer):
            self._sent += len(chunk)

    async def _downward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 0
        async for chunk in self._chunks(reader, writer):
            begins = chunk.startswith(ANSWER)
            self._answers += begins
            size = len(chunk) if begins else size + len(chunk)
            self._largest = max(self._largest, size)
            self._received += len(chunk)

    async def _chunks(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncIterator[bytes]:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._open.wait()
                yield chunk
                writer.write(chunk)
                await writer.drain()
        writer.close()


@contextmanager
def passage() -> Iterator[Passage]:
    """A proxy that runs."""
    found = Passage()
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop()
        thread.join()
