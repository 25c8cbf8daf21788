"""A process that sends the server the same requests in turn, at a steady pace, on one connection.
It reads `{"port": …, "requests": […]}`, begins, and tells at each `{"told": …}` how long they took
since the last time, and which were not answered with 200."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from contextlib import closing
from itertools import cycle
from typing import Any, Final

from bench.feed.node import Wire
from bench.feed.watching import say

PACE: Final = 0.01
OK: Final = 200


def main() -> None:
    say({"ready": 1})
    first = json.loads(sys.stdin.readline())
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(asked,), daemon=True).start()
    with closing(Wire(first["port"])) as wire:
        _call(wire, first["requests"], asked)


def _read(asked: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        asked.put(line)


def _call(wire: Wire, requests: dict[str, str], asked: queue.SimpleQueue[str]) -> None:
    took: dict[str, list[float]] = {name: [] for name in requests}
    refused: list[int] = []
    due = time.perf_counter()
    for name, request in cycle(requests.items()):
        # From when it was due, so that one slow answer does not spare others their wait.
        due = max(due + PACE, time.perf_counter() - 1)
        time.sleep(max(0.0, due - time.perf_counter()))
        status, _ = wire.ask(request.encode())
        took[name].append(time.perf_counter() - due)
        if status != OK:
            refused.append(status)
        if not asked.empty():
            asked.get()
            told: dict[str, Any] = {"took": took, "refused": refused}
            say(told)
            took, refused = {name: [] for name in requests}, []


if __name__ == "__main__":
    main()
