"""Refusals in the words of RFC 6749 §5.2, with our `code` beside them.

"Cannot know" is no refusal of OAuth: 503 stays a problem (RFC 7009 §2.2.1), as do 429 and 500.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from starlette.responses import JSONResponse, Response

from counterfoil.errors import AuthError, ClientRefused, Malformed, TooLarge
from counterfoil.integrations.problem import BASIC

Word = Literal[
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
]
UNSTORED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1 names both
_WORDS: Final[dict[type[AuthError], tuple[Word, HTTPStatus]]] = {
    ClientRefused: ("invalid_client", HTTPStatus.UNAUTHORIZED),
    Malformed: ("invalid_request", HTTPStatus.BAD_REQUEST),
    TooLarge: ("invalid_request", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
}


class OAuthRefusal(AuthError):
    """An error that says which word of OAuth it is."""

    def __init__(self, word: Word, why: AuthError) -> None:
        super().__init__(why.detail)
        self.word = word
        self.why = why


def answer(error: AuthError) -> Response:
    """The refusal as JSON."""
    if isinstance(error, OAuthRefusal):
        word, status, error = error.word, HTTPStatus.BAD_REQUEST, error.why
    else:
        word, status = _WORDS[type(error)]
    headers = dict(UNSTORED)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = BASIC
    body = {"error": word, "error_description": _described(error), "code": error.code}
    return JSONResponse(body, status_code=status, headers=headers)


def _described(error: AuthError) -> str:
    """What is wrong and what to do, in the characters that §5.2 allows."""
    sentences = f"{error.detail} {error.next_step}".strip()
    return "".join(each for each in sentences if " " <= each <= "~" and each not in '"\\')
