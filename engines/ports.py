"""Ports on which nobody listens, and which no system gives to who calls."""

from __future__ import annotations

import random
import socket
from typing import Final

PORTS: Final = range(20_000, 30_000)


def free_ports(number: int) -> list[int]:
    """A server that was killed finds its port free when it starts again: of those that a system
    gives out, whoever calls it meanwhile may have got that one, and then calls itself."""
    found: list[int] = []
    while len(found) < number:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as tried:
            if port not in found and tried.connect_ex(("127.0.0.1", port)):
                found.append(port)
    return found
