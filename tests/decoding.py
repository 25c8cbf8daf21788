"""A status list read by somebody who knows the draft and nothing of us."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64decode


def decoded(lst: str) -> bytes:
    """The bytes of `lst`: base64url without padding, in a ZLIB container."""
    return zlib.decompress(urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))


def statuses(data: bytes, bits: int) -> list[int]:
    """Every entry, least significant bits first."""
    mask = (1 << bits) - 1
    return [byte >> shift & mask for byte in data for shift in range(0, 8, bits)]
