"""Bits, packing, and which indices may be given out (IETF Token Status List, draft 21 §4).

An index belongs to one claims version of one session in one list and is never used again. A list
covers an issuing window, is announced one window ahead, and is dropped once every token that
names it has expired.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.errors import Malformed
from counterfoil.lifetime import has_passed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BITS: Final = 2
PER_BYTE: Final = 8 // BITS
MASK: Final = (1 << BITS) - 1
DEFAULT_SIZE: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusList:
    """A list's entry in the directory. Indices are given out from opens_at to closes_at; no token
    that names it lives past dropped_at."""

    id: str
    size: int
    opens_at: datetime
    closes_at: datetime
    dropped_at: datetime

    def is_issuing(self, *, now: datetime) -> bool:
        return has_passed(self.opens_at, now=now) and not has_passed(self.closes_at, now=now)

    def is_dropped(self, *, now: datetime) -> bool:
        return has_passed(self.dropped_at, now=now)


@dataclass(frozen=True, slots=True)
class Issuing:
    """How lists are laid out: length of the window, entries per list, how long the longest-lived
    token issued in a window outlives it."""

    window: timedelta = timedelta(hours=1)
    size: int = DEFAULT_SIZE
    access: timedelta = timedelta(minutes=5)

    def following(self, list_id: str, *, opens_at: datetime) -> StatusList:
        closes_at = opens_at + self.window
        return StatusList(
            id=list_id,
            size=self.size,
            opens_at=opens_at,
            closes_at=closes_at,
            dropped_at=closes_at + self.access,
        )


class Schedule(NamedTuple):
    """From which list to give out indices now, and which lists to announce first."""

    chosen: StatusList
    announced: tuple[StatusList, ...]


def schedule(
    known: Iterable[tuple[StatusList, int]],
    issuing: Issuing,
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> Schedule:
    """Plans over the lists that are known and how many indices each has given out.

    A list that is half used gets a second one for the same window, and the next window gets its
    first, so that both are in every verifier's directory before a token names them.
    """
    announced: list[StatusList] = []
    given = dict(known)

    def announce(opens_at: datetime) -> StatusList:
        status_list = issuing.following(new_id(), opens_at=opens_at)
        announced.append(status_list)
        given[status_list] = 0
        return status_list

    def with_room() -> list[StatusList]:
        return [
            each for each, used in given.items() if each.is_issuing(now=now) and used < each.size
        ]

    present = with_room() or [announce(now)]
    chosen = min(present, key=lambda known: known.opens_at)
    if given[chosen] * 2 >= chosen.size and len(present) == 1:
        announce(now)
    if not any(has_passed(chosen.closes_at, now=known.opens_at) for known in given):
        announce(chosen.closes_at)
    return Schedule(chosen, tuple(announced))


class Block:
    """Indices that one process has reserved and nobody else will be given: start up to stop."""

    __slots__ = ("_rest", "list", "start", "stop")

    def __init__(self, status_list: StatusList, start: int, stop: int) -> None:
        self.list = status_list
        self.start = start
        self.stop = stop
        self._rest = iter(range(start, stop))

    def take(self) -> int | None:
        """The next index; None when the block is used up. Two threads never get the same."""
        return next(self._rest, None)


class StatusBits:
    """The entries of one list, two bits each, least significant first (§4.1)."""

    __slots__ = ("data", "size")

    def __init__(self, size: int, data: bytes = b"") -> None:
        self.size = size
        self.data = bytearray(data or bytes(-(-size // PER_BYTE)))

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size

    def __getitem__(self, index: int) -> int:
        """The status at `index`. Raises `IndexError` outside the list (§8.3: reject)."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        return self.data[index >> 2] >> ((index & 3) << 1) & MASK

    def __setitem__(self, index: int, status: int) -> None:
        if not 0 <= index < self.size:
            raise IndexError(index)
        shift = (index & 3) << 1
        self.data[index >> 2] = self.data[index >> 2] & ~(MASK << shift) & 0xFF | status << shift

    def packed(self) -> bytes:
        """The entries in a ZLIB container, as `lst` carries them."""
        # Strategy: most entries are alike, and there is nothing but runs to find. To look for more
        # takes a hundred times as long, half a second for a list, and finds as good as nothing.
        packing = zlib.compressobj(9, strategy=zlib.Z_RLE)
        return packing.compress(self.data) + packing.flush()

    @classmethod
    def unpacked(cls, packed: bytes, *, size: int) -> StatusBits:
        """Reads a list of exactly `size` entries. Raises `Malformed` for anything else, and never
        unpacks more than that many: a few kilobytes can claim to be gigabytes."""
        expected = -(-size // PER_BYTE)
        inflate = zlib.decompressobj()
        try:
            data = inflate.decompress(packed, expected + 1)
        except zlib.error as why:
            raise Malformed("A status list is not in a ZLIB container.") from why
        if len(data) != expected or not inflate.eof or inflate.unused_data:
            raise Malformed("A status list does not have the announced size.")
        return cls(size, data)
