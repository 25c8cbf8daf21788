"""Where a sign-in leads: a path of this site, whatever a link says.

More careful than `return_path`, for what arrives here was not written by this server: proxies
decode what browsers leave encoded, so a path counts only if it is one however often it is decoded.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from counterfoil.errors import Malformed
from counterfoil.server.proxies.return_path import require_return_path

if TYPE_CHECKING:
    from collections.abc import Sequence

# More often nobody encodes a path; each time reads all of it, and anybody may ask.
_MOST_DECODED: Final = 8
_ASTRAY: Final = re.compile(rb"[\x00-\x1f\x7f\\]|\A//|/\.\.?(?:/|\Z)")


def destination(named: Sequence[str]) -> str | None:
    """The path, with its query, that the values of `next` name. None where there is no value or
    there are several, and for whatever could lead elsewhere."""
    if len(named) == 1:
        with suppress(Malformed):
            path = require_return_path(named[0])
            return path if _stays(path.partition("?")[0]) else None
    return None


def _stays(path: str) -> bool:
    text = path.encode("ascii")
    for _ in range(_MOST_DECODED):
        if _ASTRAY.search(text):
            return False
        before, text = text, unquote_to_bytes(text)
        if text == before:
            return True
    return False
