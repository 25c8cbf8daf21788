"""Header lists, and the rule that a header which decides something stands there once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from counterfoil.errors import Malformed

# Not Iterable: a generator would be empty for the second reader, and an absent header can pass.
Headers: TypeAlias = Collection[tuple[bytes, bytes]]


def single(headers: Headers, name: bytes) -> bytes | None:
    """The value of this header, None when absent; `Malformed` when it is there more than once.

    Readers that differ on which of two counts let one part check what another part ignores.
    """
    values = [value for found, value in headers if found == name]
    if len(values) > 1:
        raise Malformed(f"The header {name.decode('latin-1')} is there more than once.")
    return values[0] if values else None
