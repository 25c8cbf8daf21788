"""Asking the issuer about one credential, and reading its answer: yes, no, or cannot know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, get_args

from counterfoil import errors
from counterfoil.client import StrategyName
from counterfoil.credential import Facts, Verified
from counterfoil.errors import (
    AuthError,
    IssuerUnavailable,
    TooManyAttempts,
    Unavailable,
    WrongAudience,
)
from counterfoil.feeds import fetch
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from counterfoil.errors import CounterfoilError

_STRATEGIES: Final[Mapping[str, StrategyName]] = {name: name for name in get_args(StrategyName)}
_NEVER: Final = datetime.fromtimestamp(0, UTC)
_LONGEST_DETAIL: Final = 300
_SHORTEST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = 3600

# The statuses of a no. Another one, such as 404, says that nobody there answers this.
_NO: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
# By code, the refusals that say nothing but their detail, and that one who asks may be given.
_REFUSALS: Final[Mapping[str, type[AuthError]]] = {
    kind.code: kind
    for kind in AuthError.__subclasses__()
    if kind.__module__ == errors.__name__ and kind.__init__ is AuthError.__init__
}
_OUTAGES: Final[Mapping[str, type[Unavailable]]] = {
    kind.code: kind for kind in Unavailable.__subclasses__() if kind.__module__ == errors.__name__
}


def confirm(issuer: str, credential: str, *, audience: str | None, timeout: timedelta) -> Verified:
    """What the issuer's record says of a credential, whatever its client's strategy.

    audience: None where the credential has been seen to be for it. Raises the error that the
    issuer answers with, `WrongAudience`, and `IssuerUnavailable` for an answer that is not plainly
    yes or no.
    """
    url = f"{issuer}/v1/session?confirm=true"
    answer = fetch.ask(url, timeout=timeout, bearer=credential)
    members = parse_object(answer.body, error=_unreadable(answer.status), limit=fetch.LIMIT)
    if answer.status != HTTPStatus.OK:
        raise _refusal(answer.status, members)
    verified = _read(members)
    # A client's own id is its audience unless the issuer says otherwise.
    if audience not in (None, members.get("audience", verified.client_id)):
        raise WrongAudience
    return verified


def _read(members: Mapping[str, Any]) -> Verified:
    try:
        subject, session_id, client_id = (
            _text(members[name]) for name in ("subject", "session_id", "client_id")
        )
        facts = Facts(
            subject=subject,
            session_id=session_id,
            client_id=client_id,
            strategy=_strategy(members["strategy"]),
            claims=_object(members["claims"]),
            expires_at=_moment(members["expires_at"]),
            # Who asks for a recent proof of identity is refused rather than misled.
            auth_time=_moment(members["auth_time"]) if "auth_time" in members else _NEVER,
        )
        return Verified(facts, _moment(members["as_of"]))
    except (KeyError, ValueError):
        raise _unreadable(HTTPStatus.OK)("") from None


def _refusal(status: int, members: Mapping[str, Any]) -> CounterfoilError:
    code, detail = str(members.get("code")), members.get("detail")
    detail = detail if isinstance(detail, str) and len(detail) <= _LONGEST_DETAIL else ""
    if status == HTTPStatus.SERVICE_UNAVAILABLE and code in _OUTAGES:
        return _OUTAGES[code](detail, retry_after=_wait(members))
    if status == HTTPStatus.TOO_MANY_REQUESTS and code == TooManyAttempts.code:
        return TooManyAttempts(detail, retry_after=_wait(members) or _SHORTEST_WAIT)
    if status in _NO and code in _REFUSALS:
        return _REFUSALS[code](detail)
    return _unreadable(status)("")


def _wait(members: Mapping[str, Any]) -> timedelta | None:
    wait = members.get("retry_after")
    if type(wait) is not int or not 0 < wait <= _LONGEST_WAIT:
        return None
    return timedelta(seconds=wait)


def _unreadable(status: int) -> Callable[[str], IssuerUnavailable]:
    sentence = f"The issuer's answer ({int(status)}) is neither yes nor no."
    if status == HTTPStatus.NOT_FOUND:
        sentence = "The issuer does not answer confirm: mount IssuerApp, over a store, at its URL."
    return lambda _: IssuerUnavailable(sentence)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _strategy(value: object) -> StrategyName:
    return _STRATEGIES[_text(value)]


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - what was sent is wrong, not who calls
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
