"""One bounded GET with the headers of its answer: a proxy shows itself in those."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT: Final = 10.0
LIMIT: Final = 256 * 1024


class NoAnswer(Exception):
    """Nothing came back that could be read: why, in a few words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. at: when, by this machine's wall clock, in the middle of the exchange."""

    status: int
    headers: HTTPMessage = field(repr=False)
    body: bytes = field(repr=False)
    at: float

    @property
    def members(self) -> dict[str, Any]:
        """The JSON object of the body; empty if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def date(self) -> datetime | None:
        try:
            return parsedate_to_datetime(self.headers.get("date", ""))
        except ValueError:
            return None

    def says(self, name: str) -> str:
        return str(self.headers.get(name, ""))


def get(url: str, **headers: str) -> Answer:
    """Certificates are verified as this machine verifies them; redirects are not followed. Raises
    `NoAnswer`."""
    try:
        parts = urlsplit(url)
        host, port = str(parts.hostname), parts.port
    except ValueError:
        raise NoAnswer("there is no such address") from None
    connection = (
        HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, port, timeout=TIMEOUT)
    )
    sent = {"Accept": "application/json", "User-Agent": "counterfoil-doctor", **headers}
    try:
        began = time.time()
        connection.request("GET", parts.path or "/", headers=sent)
        answer = connection.getresponse()
        at = (began + time.time()) / 2
        return Answer(answer.status, answer.headers, answer.read(LIMIT), at)
    except ssl.SSLCertVerificationError as why:
        raise NoAnswer(f"its certificate is not trusted here: {why.verify_message}") from None
    except (OSError, HTTPException, ValueError) as why:
        raise NoAnswer(getattr(why, "strerror", None) or type(why).__name__) from None
    finally:
        connection.close()
