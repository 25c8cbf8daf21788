"""What an acknowledged write is worth, as whoever opens a store says it."""

from __future__ import annotations

from typing import Literal

# durable: it survives what may happen to a server. The other one: it can be lost with the server
# that acknowledged it, and every answer of the standalone server says so.
Durability = Literal["durable", "may-lose-on-failover"]
