"""How a bug is put in: something of the real code is replaced for a while by what is made of it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack


def replaced(patches: ExitStack, owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    """Puts what is made of the original in its place."""
    patches.enter_context(patch.object(owner, name, made(getattr(owner, name))))


def payload(token: str) -> dict[str, Any]:
    """What it says, whoever says so; nothing, where it was cut short."""
    try:
        segment = token.split(".")[1]
        members: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, IndexError):
        return {}
    return members
