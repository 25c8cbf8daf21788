"""What a look finds: in order, to be noticed, wrong, or not to be seen from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["wrong", "warning", "ok", "unseen"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. id: stable, for scripts; mend: what to do, empty where nothing
    is to be done. Neither sentence holds a secret."""

    id: str
    level: Level
    says: str
    mend: str = ""


def ok(identity: str, says: str) -> Finding:
    return Finding(identity, "ok", says)


def warning(identity: str, says: str, mend: str) -> Finding:
    return Finding(identity, "warning", says, mend)


def wrong(identity: str, says: str, mend: str) -> Finding:
    return Finding(identity, "wrong", says, mend)


def unseen(identity: str, says: str) -> Finding:
    """What could not be looked at, and why."""
    return Finding(identity, "unseen", says)
