"""What is done in one step on one shard, in Lua."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """The text, and the name by which a server that has seen it knows it."""

    text: str
    digest: str


@cache
def script(name: str) -> Script:
    folder = files(__name__)
    text = "\n".join((folder / f"{each}.lua").read_text("utf-8") for each in ("shared", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
