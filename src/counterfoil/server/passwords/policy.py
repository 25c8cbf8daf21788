"""Which passwords may be chosen (NIST SP 800-63B-4 §3.1.1.2, ASVS 5.0 §6.2).

At least 15 characters of any kind, since the password is the only factor, and nothing that is
tried first. What stands between these two is the guesser's arithmetic: a repeated piece adds
nothing to the piece, a walk over the keyboard is one guess, and so is a common word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from counterfoil.errors import PasswordRefused
from counterfoil.server.passwords import blocklist
from counterfoil.server.passwords.hashing import normalised

SHORTEST: Final = 15  # characters, once normalised

_SHORTEST_WORD: Final = 4  # of the blocklist; shorter ones are found everywhere
_SHORTEST_CONTEXT: Final = 3
_SHORTEST_WALK: Final = 3
_FEW: Final = 8  # signs that add too little to one common word: a date
_LETTER: Final = 3  # signs that a letter weighs, lest a second word seem little
_GAP: Final = "\0"  # stands for what was taken out; no password holds it
_KEYS: Final = (
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "qsdfghjklm"),
    *("1234567890", "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik", "9ol", "0p"),
)
_NEIGHBOURS: Final = frozenset(
    pair for keys in _KEYS for way in (keys, keys[::-1]) for pair in pairwise(way)
)


def require_acceptable(password: str, *, identifier: str, service: str = "counterfoil") -> None:
    """Raises `PasswordRefused`, saying why and what to do, for a password that may not be chosen.

    identifier and service: what a guesser knows of the account. No text repeats any of the three.
    """
    text = normalised(password)
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise PasswordRefused(
            "The password holds a control character, such as a tab. Leave it out."
        )
    if len(text) < SHORTEST:
        raise PasswordRefused(
            f"The password is shorter than {SHORTEST} characters. "
            "Use a longer one, such as four words that have nothing to do with each other."
        )
    why = _weakness(text.casefold(), _context((identifier, service)))
    if why:
        raise PasswordRefused(f"The password {why}. Use words that others would not put together.")


def _weakness(text: str, context: Iterable[str]) -> str:
    """Why it would be guessed early; nothing when it would not."""
    if text in blocklist.common():
        return "is on the list of common passwords, which are tried first"
    if _period(text) < SHORTEST:
        return "repeats one short piece, which adds nothing to it"
    if _adds_little(text):
        return "is made of sequences, such as neighbours on the keyboard"
    rest = text
    for word in context:
        rest = rest.replace(word, _GAP)
    if rest != text and _adds_little(rest):
        return "is little more than the account's or this service's name"
    if any(_adds_little(rest.replace(word, _GAP)) for word in _common_words(text)):
        return "is little more than one common word"
    return ""


def _context(known: Iterable[str]) -> list[str]:
    """The words of these texts, the longest first."""
    words: set[str] = set()
    for text in known:
        folded = unicodedata.normalize("NFKC", text).casefold()
        words |= {folded, *re.split(r"[\W_]+", folded)}
    return sorted((word for word in words if len(word) >= _SHORTEST_CONTEXT), key=len, reverse=True)


def _common_words(text: str) -> set[str]:
    common, longest = blocklist.common(), blocklist.longest()
    return {
        text[start:end]
        for start in range(len(text))
        for end in range(start + _SHORTEST_WORD, min(start + longest, len(text)) + 1)
        if text[start:end] in common
    }


def _adds_little(rest: str) -> bool:
    """Whether what is left of a password is walks and a few signs."""
    weight = 0
    for piece in rest.split(_GAP):
        for walk in _walks(piece):
            if len(walk) < _SHORTEST_WALK:
                weight += sum(_LETTER if letter.isalpha() else 1 for letter in walk)
                if weight > _FEW:
                    return False
    return True


def _walks(text: str) -> Iterator[str]:
    """The text in pieces of which each letter is the same as, or a neighbour of, the one before."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not _are_close(text[place - 1], text[place]):
            yield text[start:place]
            start = place


def _are_close(one: str, other: str) -> bool:
    return abs(ord(one) - ord(other)) <= 1 or (one, other) in _NEIGHBOURS


def _period(text: str) -> int:
    """The length of the piece that the text repeats, twice or more; else its own."""
    for length in range(1, len(text) // 2 + 1):
        if text[length:] == text[:-length]:
            return length
    return len(text)
