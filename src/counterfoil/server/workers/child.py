"""A forked process, and the link to it: signals go down by number, lines of JSON come up."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn


class Child:
    """Forks. main: what the child runs, given its end of the link; returns the exit code."""

    def __init__(self, main: Callable[[socket.socket], int]) -> None:
        self.link, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.link.close()  # or it would not see the other end close
            _become(main, theirs)
        theirs.close()
        self.link.settimeout(0)
        self._said = b""

    def hear(self) -> Iterator[dict[str, Any]]:
        """What it has said since."""
        with suppress(BlockingIOError, ConnectionError):
            while said := self.link.recv(65536):
                self._said += said
        *lines, self._said = self._said.split(b"\n")
        return map(json.loads, lines)

    def tell(self, sig: int) -> None:
        with suppress(OSError):
            self.link.send(bytes([sig]))

    def kill(self, sig: signal.Signals) -> None:
        os.kill(self.pid, sig)  # it is ours, and kept until `ended` has told of its end

    def ended(self) -> int | None:
        """Its exit code, below zero for a signal; None while it lives."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def _become(main: Callable[[socket.socket], int], link: socket.socket) -> NoReturn:
    """Ends in any case here: what stands above on the stack is the parent's."""
    code = 1
    try:
        code = main(link)
    except SystemExit as why:
        code = why.code if isinstance(why.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter, which is not reached, would do
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
