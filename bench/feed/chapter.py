"""The parts of the chapter, by the names under which they can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.feed.idle import idle
from bench.feed.memory import memory
from bench.feed.partition import partition
from bench.feed.refusals import refusals
from bench.feed.storm import storm
from bench.feed.traffic import traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.feed.findings import Finding

    Part = Callable[..., Iterator[Finding]]

CHAPTER: Final = "feed"
PARTS: Final[dict[str, Part]] = {
    "feed-memory": memory,
    "feed-traffic": traffic,
    "feed-refusals": refusals,
    "feed-partition": partition,
    "feed-idle": idle,
    "feed-storm": storm,
}


NAMES: Final = (CHAPTER, *PARTS)


def found(names: list[str], *, is_quick: bool, begins: Callable[[str], None]) -> Iterator[Finding]:
    """What these parts find, as it is found; the chapter's own name stands for all of them."""
    for name, part in PARTS.items():
        if CHAPTER in names or name in names:
            begins(name)
            yield from part(is_quick=is_quick)
