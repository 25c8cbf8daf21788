"""A process with some verifiers that check two tokens again and again: one that is revoked while
they are cut off, and an honest one. It reads `{"press": [revoked, honest], "bound": seconds}`, says
that it has begun, and tells what came of it once the honest token passes again after a refusal.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Final

from bench.feed.node import CLIENT, PATIENCE, uptime
from bench.feed.watching import say
from counterfoil import Verifier
from counterfoil.errors import AuthError, Unavailable

STEP: Final = 0.002


@dataclass
class Pressed:
    """One verifier. passed: when the last check began that the revoked token passed. stale: from
    when to when checks of the honest one could not be answered. refused: how often the honest one
    was, which nothing excuses."""

    passed: float = 0.0
    stale_from: float | None = None
    stale_until: float | None = None
    refused: int = 0

    def press(self, verifier: Verifier, revoked: str, honest: str) -> None:
        began = uptime()
        try:
            verifier.check(revoked)
        except (AuthError, Unavailable):
            pass
        else:
            self.passed = began
        try:
            verifier.check(honest)
        except AuthError:
            self.refused += 1
        except Unavailable:
            self.stale_from = self.stale_from or began
        else:
            if self.stale_from is not None and self.stale_until is None:
                self.stale_until = uptime()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("issuer")
    parser.add_argument("verifiers", type=int)
    chosen = parser.parse_args()
    logging.getLogger("counterfoil").setLevel(logging.ERROR)  # to be cut off is what it is for
    with ExitStack() as open_ones:
        verifiers = [
            open_ones.enter_context(Verifier(issuer=chosen.issuer, audience=CLIENT))
            for _ in range(chosen.verifiers)
        ]
        say({"ready": len(verifiers)})
        for line in sys.stdin:
            revoked, honest = json.loads(line)["press"]
            pressed = [Pressed() for _ in verifiers]
            say({"pressing": len(verifiers)})
            give_up = time.monotonic() + 2 * PATIENCE
            while any(each.stale_until is None for each in pressed):
                for verifier, each in zip(verifiers, pressed, strict=True):
                    each.press(verifier, revoked, honest)
                if time.monotonic() > give_up:
                    break
                time.sleep(STEP)
            say({"pressed": [asdict(each) for each in pressed]})


if __name__ == "__main__":
    main()
