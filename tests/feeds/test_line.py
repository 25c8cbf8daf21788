"""The line that is kept: which answer belongs to which question."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from counterfoil.feeds.fetch import Line

if TYPE_CHECKING:
    from collections.abc import Iterator


def said(text: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@contextmanager
def keeping(*, repeats: bool = False) -> Iterator[tuple[str, list[int]]]:
    """A server that keeps its connections, and which of them each request came on. It numbers its
    answers. repeats: it says each of them again a little later."""
    came: list[int] = []

    def serve(connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            while connection.recv(65536):
                came.append(number)
                answer = said(f"answer {len(came)}")
                connection.sendall(answer)
                if repeats:
                    threading.Timer(0.05, connection.sendall, [answer]).start()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                number = len({*came}) + 1
                threading.Thread(target=serve, args=(connection, number), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/", came
        listening.shutdown(socket.SHUT_RDWR)


def asked(line: Line, url: str) -> str:
    line.send(url, within=5)
    return line.receive().body.decode()


def test_one_line_carries_many_questions() -> None:
    """While each of them is answered once."""
    with keeping() as (url, came):
        line = Line(url)
        assert [asked(line, url) for _ in range(3)] == ["answer 1", "answer 2", "answer 3"]
        line.close()
    assert came == [1, 1, 1]


def test_what_nobody_asked_for_answers_no_question() -> None:
    """Somebody on the way says an answer twice: what is there before a question is asked ends the
    line, and is not taken for the answer to the next."""
    with keeping(repeats=True) as (url, came):
        line = Line(url)
        for number in (1, 2, 3):
            assert asked(line, url) == f"answer {number}"
            select.select([line], [], [], 5)
        line.close()
    assert came == [1, 2, 3]
