"""How long a credential outlives its revocation: called with again and again until refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from counterfoil.cli.demo.caller import NotAsSaid

PAUSE: Final = 0.01
LONGER: Final = 2.0  # how long after its bound a credential is still tried, seconds


class Tried(NamedTuple):
    """One check: when it began, by the monotonic clock, and the code that refused it, or none."""

    began: float
    code: str


Check = Callable[[], Tried]


@dataclass(frozen=True, slots=True)
class Outlived:
    """What one verifier made of a revoked credential, in seconds from the acknowledgement.

    last_accepted: when the last check that it accepted began, 0 if there was none;
    first_refused: when the first that it refused began. Between the two it changed its mind.
    """

    accepted: int
    last_accepted: float
    first_refused: float
    code: str


def outlived(
    checks: Mapping[str, Check],
    *,
    since: float,
    promised: float,
    noting: Callable[[float, int], None],
) -> dict[str, Outlived]:
    """Asks each verifier in turn until it refuses. noting: told the seconds so far, and how often
    the credential was accepted. Raises `NotAsSaid` for one still accepted well past the bound."""
    accepted = dict.fromkeys(checks, 0)
    last = dict.fromkeys(checks, 0.0)
    found: dict[str, Outlived] = {}
    while len(found) < len(checks):
        for name, check in checks.items():
            if name in found:
                continue
            tried = check()
            at = tried.began - since
            if tried.code:
                found[name] = Outlived(accepted[name], last[name], at, tried.code)
                continue
            accepted[name], last[name] = accepted[name] + 1, at
            if at > promised + LONGER:
                raise NotAsSaid(
                    f"The {name} still accepts the credential {at:.1f} s after its revocation;"
                    f" the promise was {promised:.0f} s."
                )
        if len(found) < len(checks):
            noting(time.monotonic() - since, sum(accepted.values()))
            time.sleep(PAUSE)
    return found
