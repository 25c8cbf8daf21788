"""As which client a verifier polls the feed: proven by its secret, in HTTP Basic."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.requests import Request

from counterfoil.carriers.headers import single
from counterfoil.server.oauth.authentication import authenticated

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from counterfoil.integrations.issuer import Scope
    from counterfoil.integrations.status import AnswerKind
    from counterfoil.server.api.context import Context
    from counterfoil.status_feed import Question

GOOD_FOR: Final = 1.0  # seconds; a secret that was revoked is taken for so long
_MOST: Final = 1_000


class _Proven(NamedTuple):
    client_id: str
    until: float


class FeedRegister:
    """What `IssuerApp` asks. It remembers for a second which header proved which client: a thousand
    verifiers poll three hundred times a second, with the same few headers."""

    def __init__(self, parts: Context) -> None:
        self._parts = parts
        self._proven: dict[bytes, _Proven] = {}  # by digest, so that no secret is kept

    async def authenticate(self, scope: Scope) -> str | None:
        """None without an Authorization header. Raises as `/oauth` does: a wrong secret is counted,
        and noted in the trail; a right one never waits."""
        header = single(scope["headers"], b"authorization")
        if header is None:
            return None
        mark, uptime = sha256(header).digest(), self._parts.auth.clock.uptime()
        proven = self._proven.get(mark)
        if proven is None or uptime >= proven.until:
            self._proven.pop(mark, None)
            client = await authenticated(Request(scope), {}, self._parts)
            if len(self._proven) >= _MOST:
                self._proven.clear()
            proven = self._proven[mark] = _Proven(client.client_id, uptime + GOOD_FOR)
        return proven.client_id

    def polling(self, name: str | None, question: Question) -> AbstractContextManager[object]:
        return self._parts.verifiers.polling(name, question)

    def answered(self, kind: AnswerKind) -> None:
        self._parts.metrics.feed_answers.count(kind)
