"""What a model remembers of an issuer: what was acknowledged, issued and presented, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from counterfoil import Opened, Presented
from counterfoil.errors import AuthError, Unavailable
from counterfoil.status_mirror import StatusMirror
from counterfoil.token_check import TokenCheck
from scenes import ISSUER, KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from counterfoil import Client
    from counterfoil.status_change import FeedRead
    from counterfoil.testing.clock import FrozenClock
    from counterfoil.token import AccessToken


@dataclass
class Promise:
    """An acknowledgement: from when on nothing passes, here and elsewhere."""

    here: datetime
    elsewhere: datetime


@dataclass
class Issue:
    """A handle or a token of a device, and the claims it was issued with."""

    text: str
    claims_version: int
    line: int
    spent_at: datetime | None = None


@dataclass
class Device:
    """A session as its owner, and whoever steals from them, knows it."""

    opened: Opened
    subject: str
    client_id: str
    line: int = 0
    handles: list[Issue] = field(default_factory=list)
    tokens: list[Issue] = field(default_factory=list)
    ended: list[Promise] = field(default_factory=list)


@dataclass
class Person:
    """What was acknowledged about a subject."""

    claims_version: int = 0
    suspended: list[Promise] = field(default_factory=list)
    changed: list[tuple[int, Promise]] = field(default_factory=list)


class Remote:
    """A verifier of another service: its own mirror, and answers on their way to it."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self.mirror = StatusMirror()
        self.tokens = TokenCheck(ISSUER, clients, self.mirror)
        self.underway: list[tuple[FeedRead, float, datetime]] = []

    def refusal(self, token: Issue, clock: FrozenClock) -> type[Exception] | None:
        try:
            self.tokens.check(
                Presented(token.text),
                keys=KEYS.public_keys(),
                audience=None,
                now=clock.now(),
                uptime=clock.uptime(),
            )
        except (AuthError, Unavailable) as why:
            return type(why)
        return None

    def read(self, token: Issue) -> AccessToken:
        """What any service with the public keys reads in it, that knows nothing of status."""
        presented = Presented(token.text)
        return self.tokens.known(presented, keys=KEYS.public_keys(), audience=None).token
