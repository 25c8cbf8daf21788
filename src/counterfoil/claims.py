"""What an application says about a subject: roles, and more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from counterfoil.errors import ClaimsTooLarge, ConfigurationError, Malformed
from counterfoil.strict_json import parse_object
from counterfoil.token import RESERVED

Claims = Mapping[str, Any]

_ROLE: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}\Z")
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
LARGEST: Final = 4096


def normalised(answer: Claims | Sequence[str]) -> dict[str, Any]:
    """Claims as they are kept and signed; a bare sequence of strings means roles.

    Raises `ConfigurationError` for names that are reserved, roles that a header could not carry,
    and what no token could: the application's claims source is wrong then, not the caller; and
    `ClaimsTooLarge`. Found out later, while signing, it would already have cost the caller their
    handle.
    """
    claims = dict(answer) if isinstance(answer, Mapping) else {"roles": _listed(answer)}
    if taken := RESERVED.intersection(claims):
        raise ConfigurationError(f"Rename the claim {min(taken)}: that name is reserved.")
    if "roles" in claims:
        claims["roles"] = require_roles(claims["roles"])
    try:
        text = json.dumps(claims, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as why:
        raise ConfigurationError("Return claims that are plain JSON values.") from why
    if len(text) > LARGEST:
        raise ClaimsTooLarge(f"Claims have at most {LARGEST} bytes: tokens carry them.")
    return parse_object(text.encode(), error=_not_portable)


def require_roles(roles: object) -> list[str]:
    """Roles as a list. Raises `ConfigurationError` for what X-Auth-Roles could not carry."""
    if isinstance(roles, str) or not isinstance(roles, Sequence):
        raise ConfigurationError("Return roles as a list of strings.")
    if not all(isinstance(role, str) and _ROLE.match(role) for role in roles):
        raise ConfigurationError("Write roles with 1 to 64 of A-Z, a-z, 0-9 and _ . : / -")
    return list(roles)


def _not_portable(why: str) -> ConfigurationError:
    return ConfigurationError(f"Return claims that a token can carry. {why}")


def _listed(answer: Sequence[str]) -> list[str]:
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        raise ConfigurationError("Return claims as a mapping, or roles as a list of strings.")
    return list(answer)


def require_subject(subject: object) -> str:
    """A subject that any header and token can carry. Raises `Malformed`."""
    if not isinstance(subject, str) or not _SUBJECT.match(subject):
        raise Malformed("A subject is 1 to 255 visible ASCII characters, such as str(user.id).")
    return subject
