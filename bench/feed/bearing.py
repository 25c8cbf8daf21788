"""A process with one verifier that checks honest tokens at a steady pace while very many others are
revoked. It reads `{"honest": […], "doomed": [[list_id, index], …]}`, begins, and tells what it saw
at each `{"told": …}`: of its checks since the last time, and when all that are doomed were refused.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, cast

from bench.feed.node import CLIENT, uptime
from bench.feed.watching import say
from counterfoil import Verifier
from counterfoil.errors import AuthError, CounterfoilError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from counterfoil.holding import VerifierHolding

PACE: Final = 0.002
AT_ONCE: Final = 2000  # entries looked at between two checks, so that these do not wait for it


class Doomed:
    """Entries of which each is refused some day."""

    def __init__(self, verifier: Verifier, entries: Sequence[tuple[str, int]]) -> None:
        self.refused_at: float | None = None
        self._holding = cast("VerifierHolding", verifier.holding)
        self._entries = entries
        self._next = 0
        self._moved_at = uptime()
        verifier.holding.listen(self._moved)

    def _moved(self, _: object) -> None:
        self._moved_at = uptime()

    def look(self) -> None:
        """Passes over those that are refused; the last move that let it pass is when all were."""
        if self.refused_at is not None:
            return
        moved_at = self._moved_at
        for entry in self._entries[self._next : self._next + AT_ONCE]:
            try:
                self._holding.require_valid(CLIENT, entry, uptime=uptime())
            except AuthError:
                self._next += 1
            except CounterfoilError:
                return  # it knows too little now
            else:
                return
        if self._next == len(self._entries):
            self.refused_at = moved_at


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("issuer")
    parser.add_argument("audience")
    chosen = parser.parse_args()
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    with Verifier(issuer=chosen.issuer, audience=chosen.audience) as verifier:
        say({"ready": 1})
        first = json.loads(sys.stdin.readline())
        threading.Thread(target=_read, args=(asked,), daemon=True).start()
        doomed = Doomed(verifier, [(list_id, index) for list_id, index in first["doomed"]])
        _bear(verifier, cycle(first["honest"]), doomed, asked)


def _read(asked: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        asked.put(json.loads(line))


def _bear(
    verifier: Verifier,
    honest: Iterable[str],
    doomed: Doomed,
    asked: queue.SimpleQueue[dict[str, Any]],
) -> None:
    took: list[float] = []
    refused: list[str] = []
    for token in honest:
        began = time.perf_counter()
        try:
            verifier.check(token)
        except CounterfoilError as error:
            refused.append(type(error).__name__)
        took.append(time.perf_counter() - began)
        doomed.look()
        if not asked.empty():
            asked.get()
            say({"took": took, "refused": refused, "refused_at": doomed.refused_at})
            took, refused = [], []
        time.sleep(PACE)


if __name__ == "__main__":
    main()
