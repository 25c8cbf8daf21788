"""A process with some verifiers that note when they came to know of each revocation.

It reads one JSON object a line: `{"watch": [token, …]}` has the verifiers know these tokens,
`{"told": true}` asks what they saw. No check spins: a verifier that follows the feed says when its
position has moved, and the token that is the next to be revoked is checked then, in its own thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from bench.feed.node import CLIENT, PATIENCE, uptime
from counterfoil import Verifier
from counterfoil.errors import SessionRevoked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEP: Final = 0.01


class Watch:
    """What one verifier saw: for each token, in the order in which they are revoked, the moment
    from which it is refused."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier
        self.seen: list[float] = []
        self._tokens: Sequence[str] = ()
        verifier.holding.listen(self._moved)

    def follow(self, tokens: Sequence[str]) -> None:
        for token in tokens:
            self.verifier.check(token)
        self.seen, self._tokens = [], tokens

    def is_done(self) -> bool:
        return len(self.seen) >= len(self._tokens)

    def _moved(self, _: object) -> None:
        now = uptime()
        while not self.is_done() and is_refused(self.verifier, self._tokens[len(self.seen)]):
            self.seen.append(now)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("issuer")
    parser.add_argument("verifiers", type=int)
    chosen = parser.parse_args()
    with ExitStack() as open_ones:
        verifiers = [
            open_ones.enter_context(Verifier(issuer=chosen.issuer, audience=CLIENT))
            for _ in range(chosen.verifiers)
        ]
        watches = [Watch(verifier) for verifier in verifiers]
        tokens: list[str] = []
        say({"ready": len(watches)})
        for line in sys.stdin:
            asked = json.loads(line)
            if "watch" in asked:
                tokens = asked["watch"]
                for watch in watches:
                    watch.follow(tokens)
                say({"watching": len(tokens)})
            elif "cpu" in asked:
                say({"cpu": time.process_time()})
            else:
                say(_told(watches, tokens))


def _told(watches: Sequence[Watch], tokens: Sequence[str]) -> dict[str, Any]:
    taken = time.process_time()
    wait_for(lambda: all(watch.is_done() for watch in watches))
    refused = sum(is_refused(watch.verifier, token) for watch in watches for token in tokens)
    return {"seen": [watch.seen for watch in watches], "refused": refused, "cpu": taken}


def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.check(token)
    except SessionRevoked:
        return True
    return False


def wait_for(holds: Callable[[], bool]) -> None:
    """Until it holds, or nobody has patience any more."""
    give_up = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < give_up:
        time.sleep(STEP)


def say(members: dict[str, Any]) -> None:
    print(json.dumps(members), flush=True)


if __name__ == "__main__":
    main()
