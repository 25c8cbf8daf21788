"""A TCP proxy that counts bytes and can be cut: then it goes on holding every connection and
forwards nothing, as a network does that has lost a route; or it ends them all and takes none, as a
machine does that has gone."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

Place = tuple[str, int] | str  # host and port, or the path of a Unix socket
HOST: Final = "127.0.0.1"
CHUNK: Final = 65536
ANSWER: Final = b"HTTP/1.1 "


class Counted(NamedTuple):
    """sent: bytes from who calls; received: bytes to them; answers: how many of those began."""

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
        self.leads_to: Place = ""
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._over = asyncio.Event()
        self._is_gone = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._sent = self._received = self._answers = self._largest = 0

    def counted(self) -> Counted:
        return Counted(self._sent, self._received, self._answers, self._largest)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def end(self) -> None:
        """Ends every connection, and each that is made from now on."""
        self._loop.call_soon_threadsafe(self._end)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._heal)

    def run(self) -> None:
        with self._runner:
            self._runner.run(self._serve())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    def _end(self) -> None:
        self._is_gone = True
        for writer in self._writers:
            writer.close()

    def _heal(self) -> None:
        self._is_gone = False
        self._open.set()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, sock=self._listening)
        await self._over.wait()
        server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        if self._is_gone:
            writer.close()
            return
        there, back = await self._reached()
        ends = {writer, back}
        self._writers |= ends
        try:
            await asyncio.gather(self._upward(reader, back), self._downward(there, writer))
        finally:
            self._writers -= ends

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.leads_to, str):
            return await asyncio.open_unix_connection(self.leads_to)
        return await asyncio.open_connection(*self.leads_to)

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
