"""When a simulated world begins: later than any clock says, because a store may forget by its own
what has reached its absolute end."""

from __future__ import annotations

from typing import Final

from counterfoil.testing.records import NOW

START: Final = NOW.replace(microsecond=0)
