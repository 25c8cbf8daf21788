"""One password hash: what it costs, how it is stored, whether a text matches it. Blocking."""

from __future__ import annotations

import contextlib
import os
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from argon2 import low_level
from argon2.exceptions import HashingError, VerificationError, VerifyMismatchError

from counterfoil.errors import ConfigurationError, Overloaded

RETRY_AFTER: Final = timedelta(seconds=5)  # what a full queue takes on two cores

_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 32
_LANE_KIB: Final = 8  # the least that a lane works with
_STORED: Final = re.compile(
    r"\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,3}),p=([1-9]\d{0,2})"
    r"\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,86})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashProfile:
    """What one hash costs. ASVS 5.0 appendix C asks for three rounds from 12 MiB on.

    One lane, because the threads of the queue already keep every core busy.
    """

    memory_kib: int = 65536
    rounds: int = 3
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.lanes < 1 or self.memory_kib < _LANE_KIB * self.lanes:
            raise ConfigurationError("Give argon2id a round, a lane and 8 KiB of memory for each.")

    @property
    def work(self) -> int:
        """KiB filled; time is in proportion to it."""
        return self.memory_kib * self.rounds

    def is_more_than(self, other: HashProfile) -> bool:
        return self.memory_kib > other.memory_kib or self.rounds > other.rounds


RECOMMENDED: Final = HashProfile()
CHEAPEST: Final = HashProfile(memory_kib=8, rounds=1)  # for tests: no protection at all


def encoded(text: str, profile: HashProfile) -> str:
    """What to store. Raises `Overloaded` where there is no memory for it."""
    try:
        return low_level.hash_secret(
            text.encode(),
            os.urandom(_SALT_BYTES),
            time_cost=profile.rounds,
            memory_cost=profile.memory_kib,
            parallelism=profile.lanes,
            hash_len=_TAG_BYTES,
            type=low_level.Type.ID,
        ).decode()
    except HashingError:
        raise _out_of_memory() from None


def matches(stored: str, text: str) -> bool:
    """Compares, in constant time. Raises `Overloaded` where there is no memory for it."""
    try:
        return low_level.verify_secret(stored.encode(), text.encode(), low_level.Type.ID)
    except VerifyMismatchError:
        return False
    except VerificationError:
        raise _out_of_memory() from None


def profile_of(stored: str) -> HashProfile | None:
    """What that hash cost; None when it is not one of argon2id's."""
    found = _STORED.fullmatch(stored)
    if found is None:
        return None
    *cost, salt, tag = found.groups()
    memory_kib, rounds, lanes = map(int, cost)
    try:
        if any(_base64(b64decode(part + "===")) != part for part in (salt, tag)):
            return None
        return HashProfile(memory_kib=memory_kib, rounds=rounds, lanes=lanes)
    except (ValueError, ConfigurationError):
        return None


def dummy(profile: HashProfile) -> str:
    """A hash to compare with where there is none: nobody can find a password for these zeros."""
    cost = f"m={profile.memory_kib},t={profile.rounds},p={profile.lanes}"
    salt, tag = _base64(bytes(_SALT_BYTES)), _base64(bytes(_TAG_BYTES))
    return f"$argon2id$v=19${cost}${salt}${tag}"


def make_up(stored: HashProfile, profile: HashProfile, text: str) -> None:
    """Does what an older, cheaper hash left undone: its speed would tell that it exists."""
    memory = (profile.work - stored.work) // profile.rounds
    if memory < _LANE_KIB * profile.lanes:
        return
    missing = HashProfile(memory_kib=memory, rounds=profile.rounds, lanes=profile.lanes)
    with contextlib.suppress(Overloaded):
        encoded(text, missing)


def _base64(data: bytes) -> str:
    return b64encode(data).rstrip(b"=").decode()


def _out_of_memory() -> Overloaded:
    return Overloaded("There is no memory to check a password.", retry_after=RETRY_AFTER)
