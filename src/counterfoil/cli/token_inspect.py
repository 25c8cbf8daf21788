"""What a token or a handle says, believed by nobody: no signature is checked and no store read."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, Final

from counterfoil import handle as handles
from counterfoil import jws
from counterfoil.cli.output import tell, tell_json
from counterfoil.cli.words import relative, stamp
from counterfoil.errors import CounterfoilError, CredentialMalformed
from counterfoil.lifetime import has_passed
from counterfoil.strict_json import parse_object

_PARTS: Final = 3
_PARTS_OF_JWE: Final = 5
_LONGEST: Final = 64 * 1024
# What has come and what will, for each claim that is a time.
_TIMES: Final = {
    "exp": ("expired", "expires"),
    "nbf": ("good since", "good"),
    "iat": ("issued", "issued"),
    "auth_time": ("signed in", "signed in"),
}


def tell_what_it_says(text: str, *, as_json: bool) -> None:
    """Raises `CredentialMalformed` for what is neither; the error repeats nothing of it."""
    now = datetime.now(UTC)
    is_handle = text.startswith(handles.PREFIX)
    found = _handle(text) if is_handle else _token(text)
    if as_json:
        tell_json({"verified": False, **found})
    elif is_handle:
        for name, value in found.items():
            tell(f"{name:<15} {value}")
        tell("secret and tag  (not shown)")
    else:
        _tell_token(found, now)


def compact(value: object) -> str:
    """On one line, and without a character that could move a terminal's cursor."""
    return json.dumps(value, ensure_ascii=True)


def _handle(text: str) -> dict[str, Any]:
    """The parts of a handle, laid out as `counterfoil.handle` says."""
    if not handles.looks_like(text):
        raise CredentialMalformed("This begins like a handle and is none.")
    data = urlsafe_b64decode(text.removeprefix(handles.PREFIX))
    return {
        "kind": "handle",
        "format": data[0] >> 4,
        "secret_version": data[0] & 0x0F,
        "shard": int.from_bytes(data[1:3], "big"),
        "session_id": urlsafe_b64encode(data[3:19]).rstrip(b"=").decode(),
        "generation": int.from_bytes(data[19:22], "big"),
        "bytes": len(text),
    }


def _token(text: str) -> dict[str, Any]:
    parts = text.split(".")
    if len(parts) == _PARTS_OF_JWE:
        raise CredentialMalformed("This is encrypted (a JWE): nobody can look into it.")
    if len(parts) != _PARTS or len(text) > _LONGEST:
        raise CredentialMalformed("This is neither a signed token of three parts nor a handle.")
    return {
        "kind": "token",
        "header": _read("header", parts[0]),
        "claims": _read("claims", parts[1]),
        "bytes": len(text.encode()),
        "form": _form(text),
    }


def _read(what: str, segment: str) -> dict[str, Any]:
    try:
        data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise CredentialMalformed(f"The token's {what} is not base64url.") from None
    try:
        return parse_object(data, error=CredentialMalformed, limit=_LONGEST)
    except CredentialMalformed as why:
        raise CredentialMalformed(f"The token's {what} cannot be read: {why.detail}") from None


def _form(text: str) -> str:
    """Whether the text is written as Counterfoil takes it."""
    try:
        jws.parse(text)
    except CounterfoilError as why:
        return f"refused by Counterfoil: {why.detail}"
    return "as Counterfoil takes it"


def _tell_token(found: dict[str, Any], now: datetime) -> None:
    for name in ("header", "claims"):
        tell(f"{name} {json.dumps(found[name], indent=2)}")
    for name in _TIMES:
        if name in found["claims"]:
            tell(f"{name:<9} {_time(name, found['claims'][name], now)}")
    tell(f"size      {found['bytes']} bytes")
    tell(f"form      {found['form']}")


def _time(name: str, seconds: object, now: datetime) -> str:
    """A NumericDate in words: "expires in 4 min (2026-11-23 12:05:00Z)"."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return "is no time"
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "is past the end of the calendar"
    came, comes = _TIMES[name]
    verb = came if has_passed(moment, now=now) else comes
    return f"{verb} {relative(moment, now=now)} ({stamp(moment)})"
