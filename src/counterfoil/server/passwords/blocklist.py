"""Passwords that are tried first, and longer words that they are made of.

common_passwords.md says where the list comes from; it is read when first asked for (15 ms).
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources
from typing import Final

_FILE: Final = "common_passwords.txt.gz"


@cache
def common() -> frozenset[str]:
    """The entries, normalised (NFKC) and case-folded, of 4 characters or more."""
    packed = resources.files(__package__).joinpath(_FILE).read_bytes()
    return frozenset(gzip.decompress(packed).decode().split("\n"))


@cache
def longest() -> int:
    """The length of the longest entry."""
    return max(map(len, common()))
