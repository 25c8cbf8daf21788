"""Bodies of forms and of OAuth calls, application/x-www-form-urlencoded, read in one way only.

A field that is there twice, or a byte that two readers decode differently, is refused: what was
checked is what is used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from counterfoil.errors import Malformed
from counterfoil.integrations.fastapi.body import read_body

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_FIELDS: Final = 100
TYPE: Final = "application/x-www-form-urlencoded"
_TYPE: Final = re.compile(rf"{TYPE}\s*(;\s*charset=\"?utf-8\"?\s*)?\Z", re.IGNORECASE)
# What the URL Standard's serializer leaves or makes, and what clients leave besides. No bare `%`.
_ENCODED: Final = re.compile(r"(?:[^%&\x00-\x20\x7f-\U0010ffff]|%[0-9A-Fa-f]{2})*\Z")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a body, as they were sent, empty ones included.

    Raises as `read_body` does, and `Malformed` for another Content-Type, a field that is there
    twice, more than 100 of them, and what is not UTF-8.
    """
    types = request.headers.getlist("content-type")
    if len(types) != 1 or not _TYPE.match(types[0]):
        raise Malformed(f"Send a form with Content-Type: {TYPE}.")
    return parse(await read_body(request))


def parse(body: bytes) -> dict[str, str]:
    """The fields of a body. Raises `Malformed`."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("Percent-encode every byte of the form that is not ASCII.") from None
    pairs = [pair for pair in text.split("&", MOST_FIELDS) if pair]
    if len(pairs) > MOST_FIELDS:
        raise Malformed(f"A form may have at most {MOST_FIELDS} fields.")
    fields: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        name = decode(name)
        if name in fields:
            raise Malformed("A field of the form is there twice.")
        fields[name] = decode(value)
    return fields


def decode(text: str) -> str:
    """One name or value: `+` is a space, `%XX` a byte of UTF-8. Raises `Malformed`."""
    if not _ENCODED.match(text):
        raise Malformed(f"The form is not encoded as {TYPE}.")
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The form is not UTF-8.") from None
