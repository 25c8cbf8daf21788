"""A registered application: what it is issued, how that travels, and for how long."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, get_args

from counterfoil.errors import ConfigurationError
from counterfoil.lifetime import Lifetime, require_duration

StrategyName = Literal["session", "jwt", "hybrid"]
CarrierName = Literal["cookie", "bearer"]
Algorithm = Literal["ES256", "RS256", "EdDSA"]

_CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")  # part of a cookie's name
_AUDIENCE = re.compile(r"[\x21-\x7e]{1,255}\Z")
_TYP = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]{0,63}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One application's settings. Raises `ConfigurationError` when they cannot work.

    client_id: 1 to 32 of a-z, 0-9, _ and -. audience: the `aud` of its tokens, by default the
    client_id. typ: the JOSE header's type; some consumers take only `JWT` (RFC 9068 §2.1 says
    `at+jwt`). max_staleness: how old a verifier's knowledge of revocations may be (hybrid; 1 to
    60 s). manage: whether its credentials may call the management API.
    """

    client_id: str
    strategy: StrategyName
    carrier: CarrierName = "bearer"
    audience: str = ""
    algorithm: Algorithm = "ES256"
    typ: str = "at+jwt"
    lifetime: Lifetime = field(default_factory=Lifetime)
    max_staleness: timedelta = timedelta(seconds=10)
    manage: bool = False

    def __post_init__(self) -> None:
        if not self.audience:
            object.__setattr__(self, "audience", self.client_id)
        for name in ("client_id", "audience", "typ"):
            _require(isinstance(getattr(self, name), str), f"Give {name} one text.")
        _require(_CLIENT_ID.match(self.client_id), "Give client_id 1 to 32 of a-z, 0-9, _ and -.")
        _require(_AUDIENCE.match(self.audience), "Give audience 1 to 255 visible ASCII characters.")
        _require(_TYP.match(self.typ), "Give typ a media type without parameters, such as at+jwt.")
        _require(self.strategy in get_args(StrategyName), _one_of("strategy", StrategyName))
        _require(self.carrier in get_args(CarrierName), _one_of("carrier", CarrierName))
        _require(self.algorithm in get_args(Algorithm), _one_of("algorithm", Algorithm))
        span = self.max_staleness
        require_duration("max_staleness", span)
        _require(
            timedelta(seconds=1) <= span <= timedelta(seconds=60),
            "Set max_staleness between 1 and 60 seconds.",
        )

    @property
    def signs(self) -> bool:
        """Whether its credential is a signed token; otherwise it is the handle itself."""
        return self.strategy != "session"


def _require(holds: object, sentence: str) -> None:
    if not holds:
        raise ConfigurationError(sentence)


def _one_of(name: str, literal: object) -> str:
    return f"Set {name} to one of {', '.join(get_args(literal))}."
