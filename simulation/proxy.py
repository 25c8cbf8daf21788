"""What may stand between a verifier and its issuer: a proxy that is good for nothing.

It remembers every answer that it has passed on. While it misbehaves it answers from that memory,
whatever `no-store` says and whatever was asked, or spoils what comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from counterfoil.feeds.following import FEED, JWKS
from counterfoil.integrations.status import LISTS
from simulation.node import Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulation.network import Reply

REMEMBERED: Final = 40  # of each kind
OK: Final = 200
CACHED: Final = {"lists": LISTS, "keys": JWKS}
ERRORS: Final = (404, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Manners:
    """How it misbehaves; shares of requests.

    caches: answers by what was last answered to the same "url", or to the same "path", whatever
    nonce and position were asked with; or the latter for "lists" or "keys" alone. replays: answers
    with any older answer of the kind. swaps: answers for one list with another. cuts: passes on
    only a part. fails: answers with an error of its own.
    """

    caches: str = ""
    replays: float = 0.0
    swaps: float = 0.0
    cuts: float = 0.0
    fails: float = 0.0


class Proxy:
    """One on each verifier's way."""

    def __init__(self, chance: Random) -> None:
        self.manners: Manners | None = None
        self._chance = chance
        self._by_url: dict[str, Response] = {}
        self._by_path: dict[str, Response] = {}
        self._by_kind: dict[str, list[Response]] = {}

    def ask(self, url: str, reply: Reply, forward: Callable[[Reply], object]) -> None:
        """Answers a request, or passes it on and its answer back."""
        manners = self.manners
        if manners is not None and (remembered := self._remembered(url, manners)) is not None:
            reply(remembered)
            return

        def back(answer: object) -> None:
            if isinstance(answer, Response) and answer.status == OK:
                self._remember(url, answer)
                if manners is not None and self._chance.random() < manners.cuts:
                    answer = Response(OK, answer.body[: len(answer.body) // 2])
            reply(answer)

        forward(back)

    def _remembered(self, url: str, manners: Manners) -> Response | None:
        chance, kind = self._chance, _kind(url)
        if chance.random() < manners.fails:
            return Response(chance.choice(ERRORS))
        if manners.caches == "url" and url in self._by_url:
            return self._by_url[url]
        is_cached = manners.caches == "path" or kind == CACHED.get(manners.caches)
        if is_cached and _path(url) in self._by_path:
            return self._by_path[_path(url)]
        share = manners.replays + (manners.swaps if kind == LISTS else 0.0)
        older = self._by_kind.get(kind)
        if older and chance.random() < share:
            return chance.choice(older)
        return None

    def _remember(self, url: str, answer: Response) -> None:
        kind = self._by_kind.setdefault(_kind(url), [])
        if len(kind) >= REMEMBERED:
            del kind[0]
        kind.append(answer)
        self._by_url[url] = self._by_path[_path(url)] = answer


def _path(url: str) -> str:
    return urlsplit(url).path


def _kind(url: str) -> str:
    path = _path(url)
    return next((kind for kind in (FEED, JWKS, LISTS) if path.startswith(kind)), path)
