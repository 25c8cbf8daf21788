"""JSON read in one way only: the same bytes mean the same thing to every reader, or are refused.

Parsers that disagree about a text are how one part checks what another part does not obey
(RFC 8725 §2.6; Bishop Fox, JSON interoperability). So what readers disagree about is refused:
repeated members, byte order marks, other encodings, NaN and infinities, numbers and nesting
past what everyone keeps, lone surrogates and NUL.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from counterfoil.errors import Malformed, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from counterfoil.errors import CounterfoilError

LIMIT = 64 * 1024
DEEPEST = 16
_LONGEST_NUMBER = 32  # also keeps int() off the quadratic road (CVE-2020-10735)
_SMALLEST, _GREATEST = -(2**63), 2**63 - 1

# An unterminated string runs to the end, so that the scan stays linear on hostile text.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def parse_object(
    data: bytes,
    *,
    error: Callable[[str], CounterfoilError] = Malformed,
    limit: int = LIMIT,
) -> dict[str, Any]:
    """The JSON object in these bytes; raises `error`, or `TooLarge` past `limit` bytes.

    Details name the place of what is wrong and never repeat a name or value: it may be a secret.
    """
    if len(data) > limit:
        raise TooLarge(f"The JSON is longer than {limit} bytes.")
    found, broken = _parse(data)
    # Raised here and not where it was caught: the decoder's exceptions carry the whole text.
    if broken:
        raise error(broken)
    if not isinstance(found, dict):
        raise error("The JSON is not an object.")
    return found


def _parse(data: bytes) -> tuple[Any, str]:
    """The value, or what is wrong with it."""
    if _is_too_deep(data):
        return None, f"The JSON is nested more than {DEEPEST} deep."
    try:
        found = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as why:
        return None, f"The JSON is not UTF-8 at byte {why.start}."
    except json.JSONDecodeError as why:
        return None, f"The JSON cannot be read at character {why.pos}."
    except _Ambiguous as why:
        return None, str(why)
    # Unescaped, UTF-8 refuses the one and JSON the other.
    if b"\\u" in data and any(map(_is_unfit, _texts(found))):
        return None, "The JSON holds a lone surrogate or NUL."
    return found, ""


class _Ambiguous(Exception):
    """Well-formed, and read differently by different readers."""


def _is_too_deep(data: bytes) -> bool:
    if data.count(b"{") + data.count(b"[") <= DEEPEST:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(data):
        if match[0] in b"{[":
            depth += 1
        elif match[0] in b"}]":
            depth -= 1
        if depth > DEEPEST:
            return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for position, (name, _) in enumerate(pairs, start=1):
            if name in seen:
                raise _Ambiguous(f"Member {position} of an object repeats an earlier name.")
            seen.add(name)
    return members


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or not _SMALLEST <= (number := int(text)) <= _GREATEST:
        raise _Ambiguous("The JSON holds an integer that does not fit in 64 bits.")
    return number


def _fraction(text: str) -> float:
    if len(text) > _LONGEST_NUMBER or not math.isfinite(number := float(text)):
        raise _Ambiguous("The JSON holds a number that is too long or not finite.")
    return number


def _constant(_: str) -> None:
    raise _Ambiguous("The JSON holds NaN or an infinity.")


def _texts(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _is_unfit(text: str) -> bool:
    return any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
)
