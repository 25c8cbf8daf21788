"""Errors as people at a terminal read them: a sentence, what to do next, and an exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from counterfoil.cli.words import relative, stamp
from counterfoil.errors import AuthError, ConfigurationError, CounterfoilError, Unavailable

REFUSED: Final = 1
WRONG: Final = 2
UNKNOWN: Final = 3
EXIT_CODES: Final = "Exit codes: 0 done, 1 refused, 2 wrong use or set-up, 3 cannot be known now."


def exit_code(error: CounterfoilError) -> int:
    if isinstance(error, Unavailable):
        return UNKNOWN
    return REFUSED if isinstance(error, AuthError) else WRONG


def sentence(error: CounterfoilError) -> str:
    """What was refused and what to do next; a wrong set-up has its one sentence already."""
    if isinstance(error, ConfigurationError):
        return str(error)
    told = f"{error.code}: {error.detail} " if error.detail else f"{error.code}: "
    return f"{told}{error.next_step}{_times(error)}"


def _times(error: CounterfoilError) -> str:
    """The moment or the wait that the error carries."""
    now = datetime.now(UTC)
    for name in ("available_at", "expires_at"):
        moment = getattr(error, name, None)
        if moment is not None:
            return f" ({name}: {stamp(moment)}, {relative(moment, now=now)})"
    return ""
