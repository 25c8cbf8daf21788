"""What a token or a handle says, believed by nobody: no signature is checked and no store read."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import UTC, datetime
from typing import Any, Final

from counterfoil import handle as handles
from counterfoil import jws
from counterfoil.cli.output import tell, tell_json
from counterfoil.cli.words import counted, relative, stamp
from counterfoil.errors import CounterfoilError, CredentialMalformed
from counterfoil.strict_json import parse_object

PARTS: Final = 3
PARTS_OF_JWE: Final = 5
_TIMES: Final = {
    "exp": "expire",
    "nbf": "become good",
    "iat": "was issued",
    "auth_time": "signed in",
}


def tell_what_it_says(text: str, *, as_json: bool) -> None:
    """Raises `CredentialMalformed` for what is neither; no text of it is repeated then."""
    found = _handle(text) if text.startswith(handles.PREFIX) else _token(text)
    if as_json:
        tell_json({"verified": False, **found})
    elif found["kind"] == "handle":
        _tell_handle(found)
    else:
        _tell_token(found)


def now() -> datetime:
    return datetime.now(UTC)


def compact(value: object) -> str:
    """On one line, and without a character that could move a terminal's cursor."""
    return json.dumps(value, ensure_ascii=True)
