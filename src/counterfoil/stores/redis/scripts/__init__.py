"""What is done in one step on one shard, in Lua."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """The text, and the name by which a server that has seen it knows it."""

    text: str
    digest: str


# Said first, so that a server looks before it begins whether it may be run: one that has become a
# replica refuses even what only reads, which may be old there. What frees or reads is done where
# memory is short, too.
_FREELY: Final = "#!lua flags=allow-oom"
_AS_MEMORY_ALLOWS: Final = "#!lua"
_FREE: Final = frozenset({"client", "drop", "ended", "look_up", "page", "read", "subject", "sweep"})


@cache
def script(name: str) -> Script:
    folder = files(__name__)
    texts = [(folder / f"{each}.lua").read_text("utf-8") for each in ("shared", name)]
    text = "\n".join((_FREELY if name in _FREE else _AS_MEMORY_ALLOWS, *texts))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
