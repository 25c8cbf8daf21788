"""Another site has Ann's browser send a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.seen import (
    Chapter,
    Exchange,
    Experiment,
    Seen,
    Sides,
    Table,
    Verdict,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench, SignedIn

_EVIL: Final = "https://evil.example"
_REFRESH: Final = ("POST", "/v1/session/refresh")


class _From(NamedTuple):
    """Where a request comes from, and what a browser says of that."""

    what: str
    headers: dict[str, str]
    is_refused: bool = True


def _origins(own: str) -> tuple[_From, ...]:
    return (
        _From("another site", {"Sec-Fetch-Site": "cross-site", "Origin": _EVIL}),
        _From("a sibling host", {"Sec-Fetch-Site": "same-site", "Origin": "https://a.example"}),
        _From("another site, in an old browser", {"Origin": _EVIL}),
        _From("a frame without an origin", {"Origin": "null"}),
        _From("Ann's own page", {"Sec-Fetch-Site": "same-origin", "Origin": own}, is_refused=False),
    )


def run(bench: Bench) -> Iterator[Seen]:
    """Sends writes with Ann's cookie as a browser would from elsewhere."""
    person = bench.person()
    given = {each: bench.sign_in(person, each) for each in ("web", "spa")}
    yield Chapter(
        "With a cookie",
        "Browsers attach it by themselves. SameSite=Lax keeps most of them from doing so across"
        " sites; the lab attaches it all the same, as if that had failed.",
    )
    yield from _with_cookies(bench, given)
    yield Chapter(
        "Signing in from another site",
        "Otherwise a victim could be signed in to the attacker's account, and leave her data"
        " there.",
    )
    sent = {
        "client_id": "web",
        "identifier": person.identifier,
        "password": person.password,
    }
    crossing = {"Sec-Fetch-Site": "cross-site", "Origin": _EVIL}
    refused = bench.call("POST", "/v1/sessions", headers=crossing, sent=sent).expect(
        403, "cross_site"
    )
    yield Exchange(what="Sign in, from another site", answer=refused, who="Other site")
    yield Chapter(
        "With a bearer token",
        "It is in the application's own memory. Another site cannot have it attached, so its"
        " request carries nothing.",
    )
    bare = bench.call("DELETE", "/v1/session", headers=crossing)
    yield Exchange(
        what="Sign Ann out", answer=bare.expect(401, "credential_missing"), who="Other site"
    )
    still = bench.who(given["web"]).expect(200)
    yield Exchange(what="Ann goes on, with her cookie", answer=still)
    yield Sides(
        (
            ("Ann sees", "nothing: she is signed in as before."),
            ("The administrator sees", "403 cross_site in the log and in the metrics."),
            ("What limits it", "Reads are answered, but no other site may read the answer."),
            ("Settings", "none. A proxy in front must leave Origin and Sec-Fetch-Site in place."),
        )
    )
    yield Verdict(
        "held",
        "Every write from elsewhere was refused before anything was looked up.",
        "Fetch Metadata first, Origin where a browser does not send it. No token has to be put into"
        " forms. It is about cookies, whatever they hold: a hybrid in a cookie needs it too.",
    )


def _with_cookies(bench: Bench, given: dict[str, SignedIn]) -> Iterator[Seen]:
    rows = []
    for where in _origins(bench.issuer):
        said = []
        for client_id in ("web", "spa"):
            one = given[client_id]
            carried = one.carried if client_id == "web" else None
            headers = {**where.headers, **({} if carried else {"Cookie": _all_of(one)})}
            answer = bench.call(*_REFRESH, carried=carried, headers=headers)
            if bool(answer.code) != where.is_refused:
                raise NotAsSaid(f"From {where.what} the answer was {answer.said}.")
            if client_id == "web":
                yield Exchange(what=f"Refresh, from {where.what}", answer=answer, who="Browser")
            said.append(answer.said)
        rows.append((where.what, *said))
    yield Table(
        "What the server said", ("sent from", "session cookie", "hybrid cookies"), tuple(rows)
    )


def _all_of(given: SignedIn) -> str:
    return "; ".join(f"{name}={value}" for name, value in given.cookies.items())


EXPERIMENT: Final = Experiment(
    slug="forged",
    title="A request is forged from another site",
    question="What can another site do with Ann's cookie?",
    does=(
        "Another site has Ann's browser send a write, with her cookie. It is tried as new and old"
        " browsers would send it, and from her own page."
    ),
    takes="about 2 seconds",
    run=run,
    reads=(("Cookies and cross-site requests", "docs/cookies-and-csrf.md"),),
)
