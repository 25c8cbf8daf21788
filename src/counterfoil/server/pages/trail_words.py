"""Lines of the trail, in words for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from counterfoil.server.acting import BY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from counterfoil.events import Event, EventKind

WORDS: Final[Mapping[EventKind, str]] = {
    "session_opened": "Signed in",
    "session_refreshed": "Refreshed",
    "session_stepped_up": "Password confirmed, new handle",
    "session_revoked": "Session ended",
    "refresh_repeated": "Spent handle used again within its grace",
    "refresh_reused": "Spent handle used after its grace: session ended",
    "spent_introspected": "Spent handle asked about",
    "claims_changed": "Claims changed",
    "subject_suspended": "Suspended",
    "subject_reinstated": "Reinstated",
    "account_registered": "Account registered",
    "account_changed": "Roles set",
    "password_changed": "Password changed",
    "sign_in_refused": "Wrong password",
    "client_refused": "Wrong client secret",
    "client_registered": "Client registered",
    "client_changed": "Client changed",
    "client_secret_made": "Client secret made",
    "client_secrets_revoked": "Client secrets revoked",
    "key_rotated": "Key retired, the next signs",
    "key_distrusted": "Key distrusted",
    "store_restored": "Restored from a backup: every session ended",
}
# A use of what had been replaced: by a thief, or by a client that kept it.
SUSPICIOUS: Final = frozenset({"refresh_repeated", "refresh_reused", "spent_introspected"})


def said(event: Event) -> str:
    """What happened."""
    return WORDS.get(event.kind, event.kind)


def details(event: Event) -> Iterator[tuple[str, str]]:
    """What else there is to know of it, but for who did it."""
    for name, value in event.detail.items():
        if name != BY and value not in ("", None):
            yield name.replace("_", " "), _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "none"
    return json.dumps(value)
