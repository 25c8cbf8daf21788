"""The access token of RFC 9068: its claims in order, and every check in order.

Whatever a token says is believed only after its signature, and nothing it says decides how it is
checked. Refusals come in one order: signature, structure, issuer, audience, expiry. Status comes
after, where there is one: a token that this file passes may have been revoked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from counterfoil import jws
from counterfoil.errors import (
    ConfigurationError,
    CredentialExpired,
    CredentialMalformed,
    WrongAudience,
    WrongIssuer,
)
from counterfoil.lifetime import has_passed
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from counterfoil.keys import PublicKeySet, SigningKey

AHEAD: Final = timedelta(seconds=60)  # how far an issuer's clock may be ahead of a verifier's

_REQUIRED: Final = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "auth_time"}
)
# Conditions that are not checked here; to ignore them would be to waive them.
_CONDITIONS: Final = frozenset({"nbf", "cnf"})
RESERVED: Final = _REQUIRED | _CONDITIONS | {"status"}

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TOO_LONG: Final = f"Issue fewer claims: a token has at most {jws.LIMIT} bytes."
_LAST_SECOND: Final = 253_402_300_799  # the end of the year 9999, where datetime ends


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where a token's status stands (IETF Token Status List §6.2). Never fetched from here."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """What a token says; names as in RFC 9068 §2.2. claims: roles and whatever else is not here."""

    iss: str
    sub: str
    aud: tuple[str, ...]
    exp: datetime
    iat: datetime
    jti: str
    sid: str
    client_id: str
    auth_time: datetime
    claims: Mapping[str, Any]
    status: StatusReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken(TokenClaims):
    """A token whose signature, structure and issuer are good; the checks below are still due."""

    kid: str
    typ: str

    def require_audience(self, audience: str) -> None:
        """Raises `WrongAudience`."""
        if audience not in self.aud:
            raise WrongAudience(f"This token is not for the audience {audience}.")

    def require_current(self, now: datetime) -> None:
        """Raises `CredentialExpired`, without leeway: an expiry is a promise."""
        if not has_passed(self.iat, now=now + AHEAD):
            raise CredentialMalformed("The token was issued in the future.")
        if has_passed(self.exp, now=now):
            raise CredentialExpired


def issue(claims: TokenClaims, *, key: SigningKey, typ: str) -> str:
    """A signed token. Raises `ConfigurationError` for claims that `read` would refuse, or that
    could not be told from the token's own."""
    if not RESERVED.isdisjoint(claims.claims):
        raise ConfigurationError("Rename the custom claim that is named like one of the token's.")
    if key.purpose != "tokens":
        raise ConfigurationError("Sign tokens with a key whose purpose is tokens.")
    payload = _payload(claims)
    if len(payload) > jws.LIMIT:
        raise ConfigurationError(_TOO_LONG)
    _understand(parse_object(payload, error=ConfigurationError), error=ConfigurationError)
    token = jws.sign(payload, key.material, kid=key.kid, typ=typ)
    if len(token) > jws.LIMIT:
        raise ConfigurationError(_TOO_LONG)
    return token


def check(
    token: str,
    *,
    keys: PublicKeySet,
    issuer: str,
    audience: str | Callable[[str], str] | None,
    typ: str | Callable[[str], str],
    now: datetime,
) -> AccessToken:
    """The token, if all but its status is good. Raises the `AuthError` of what is not.

    audience, typ: what is expected, or a function from the client_id to it, which may raise.
    `audience=None` accepts every audience: only for who answers on behalf of them all.
    """
    found = read_ignoring_expiry(token, keys=keys, issuer=issuer, audience=audience, typ=typ)
    found.require_current(now)
    return found


def read_ignoring_expiry(
    token: str,
    *,
    keys: PublicKeySet,
    issuer: str,
    audience: str | Callable[[str], str] | None,
    typ: str | Callable[[str], str],
) -> AccessToken:
    """As `check`, but also a token whose time is over: whoever holds one may still sign out."""
    found = read(token, keys=keys, issuer=issuer, typ=typ)
    if audience is not None:
        found.require_audience(_expected(audience, found.client_id))
    return found


def read(
    token: str, *, keys: PublicKeySet, issuer: str, typ: str | Callable[[str], str]
) -> AccessToken:
    """The token, with signature, structure, issuer and type good; the rest is not checked."""
    signed = keys.verify(token, purpose="tokens")
    claims = _understand(
        parse_object(signed.payload, error=CredentialMalformed), error=CredentialMalformed
    )
    if claims["iss"] != issuer:
        raise WrongIssuer(f"This token is not of the issuer {issuer}.")
    if not signed.header.is_type(_expected(typ, claims["client_id"])):
        raise CredentialMalformed("The token is of another type than its client is issued.")
    return AccessToken(**claims, kid=signed.kid, typ=signed.header.typ or "")


def _expected(value: str | Callable[[str], str], client_id: str) -> str:
    return value if isinstance(value, str) else value(client_id)


def _payload(claims: TokenClaims) -> bytes:
    members: dict[str, Any] = {
        "iss": claims.iss,
        "sub": claims.sub,
        "aud": claims.aud[0] if len(claims.aud) == 1 else claims.aud,
        "exp": _seconds(claims.exp),
        "iat": _seconds(claims.iat),
        "jti": claims.jti,
        "sid": claims.sid,
        "client_id": claims.client_id,
        "auth_time": _seconds(claims.auth_time),
        **claims.claims,
    }
    if claims.status is not None:
        members["status"] = {"status_list": {"idx": claims.status.idx, "uri": claims.status.uri}}
    try:
        text = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError("Issue only claims that JSON can hold.") from None


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _understand(
    members: dict[str, Any], *, error: type[CredentialMalformed | ConfigurationError]
) -> dict[str, Any]:
    """The members as fields of `TokenClaims`. Raises `error` for the first that cannot be one."""
    if not _CONDITIONS.isdisjoint(members):
        raise error("The token sets a condition that is not checked here.")
    fields: dict[str, Any] = {}
    for name, (read_value, what) in _READERS.items():
        if name in members:
            fields[name] = read_value(members[name])
            if fields[name] is None:
                raise error(f"The token's {name} is not {what}.")
        elif name in _REQUIRED:
            raise error(f"The token lacks {name}.")
    fields.pop("roles", None)
    return {**fields, "claims": {name: members[name] for name in members if name not in RESERVED}}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _VISIBLE.fullmatch(value) else None


def _audience(value: object) -> tuple[str, ...] | None:
    values: list[Any] = value if isinstance(value, list) else [value]
    return tuple(values) if values and all(map(_text, values)) else None


def _moment(value: object) -> datetime | None:
    # A bool is an int to Python, and a float need be neither exact nor finite.
    if type(value) is not int or not 0 < value <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(value, UTC)


def _roles(value: object) -> list[str] | None:
    if not isinstance(value, list) or not all(isinstance(role, str) for role in value):
        return None
    return value


def _status(value: object) -> StatusReference | None:
    """The reference, if it is exactly as issued: a status that cannot be read cannot be checked."""
    entry = value.get("status_list") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(entry, dict) or entry.keys() != {"idx", "uri"}:
        return None
    idx, uri = entry["idx"], _text(entry["uri"])
    return StatusReference(uri, idx) if uri and type(idx) is int and idx >= 0 else None


_A_TEXT: Final = "1 to 255 visible ASCII characters"
_A_MOMENT: Final = "a whole number of seconds"
_READERS: Final[dict[str, tuple[Callable[[object], object], str]]] = {
    "iss": (_text, _A_TEXT),
    "sub": (_text, _A_TEXT),
    "aud": (_audience, "a text or a list of texts"),
    "exp": (_moment, _A_MOMENT),
    "iat": (_moment, _A_MOMENT),
    "jti": (_text, _A_TEXT),
    "sid": (_text, _A_TEXT),
    "client_id": (_text, _A_TEXT),
    "auth_time": (_moment, _A_MOMENT),
    "roles": (_roles, "a list of texts"),
    "status": (_status, "a status_list of idx and uri"),
}
