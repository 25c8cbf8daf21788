"""Where the rules are from: standards, and pages of this project with what was measured."""

from __future__ import annotations

from typing import Final, NamedTuple


class Source(NamedTuple):
    """name: as it is cited; place: a URL, or a page of this project with its heading."""

    name: str
    place: str


def _rfc(number: int, section: str) -> Source:
    url = f"https://www.rfc-editor.org/rfc/rfc{number}#section-{section}"
    return Source(f"RFC {number} §{section}", url)


def _page(name: str, place: str) -> Source:
    return Source(name, f"docs/{place}")


KINDS_OF_TOKEN: Final = _rfc(6819, "3.1")  # handles revoke simply, assertions need nobody
SIZE_OF_COOKIES: Final = _rfc(6265, "6.1")
SHORT_LIVED: Final = _rfc(6750, "5.3")
REVOKING_TOKENS: Final = _rfc(7009, "3")
ASKING_THE_ISSUER: Final = _rfc(7662, "2")
ASKED_LATELY: Final = _rfc(7662, "4")
TYPE_OF_TOKENS: Final = _rfc(9068, "2.1")
ONE_AUDIENCE: Final = _rfc(9700, "2.3")
STATUS_LISTS: Final = Source(
    "Token Status List §13.7",
    "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-status-list-20#section-13.7",
)
TERMINATION: Final = Source(
    "ASVS 5.0, 7.4.1",
    "https://github.com/OWASP/ASVS/blob/master/5.0/en/0x16-V7-Session-Management.md",
)
SESSION_SECRETS: Final = Source(
    "NIST SP 800-63B-4 §5.1", "https://pages.nist.gov/800-63-4/sp800-63b.html"
)
TIMEOUTS: Final = Source(
    "NIST SP 800-63B-4 §2.2.3", "https://pages.nist.gov/800-63-4/sp800-63b.html"
)

BOUND: Final = _page("the bound", "bound.md#the-argument")
COOKIES: Final = _page("cookies", "cookies-and-csrf.md")
CUT_OFF: Final = _page("without the issuer", "strategies.md#without-the-issuer")
CONFIRMING: Final = _page("asking the issuer", "verifier.md#asking-the-issuer")
FEED_MEASURED: Final = _page("the feed, measured", "performance.md#the-feed")
HYBRID_COSTS: Final = _page("what hybrid costs", "strategies.md#what-hybrid-costs")
INTROSPECTING: Final = _page("introspection", "oauth.md#introspection")
JWT_CANNOT: Final = _page("what a JWT cannot do", "strategies.md#what-a-jwt-cannot-do")
LISTS_ALONE: Final = _page("reading lists alone", "bound.md#reading-lists-alone")
MEASURED: Final = _page("one run, measured", "performance.md#one-run")
MEANING: Final = _page("what it means", "performance.md#what-it-means")
OTHER_VERIFIERS: Final = _page("other verifiers", "verifier.md#other-verifiers")
PROXIES: Final = _page("proxies", "proxies.md#the-call")
SESSION_CANNOT: Final = _page("what a session cannot do", "strategies.md#what-a-session-cannot-do")
SHORT_VERSION: Final = _page("the short version", "strategies.md#the-short-version")
STORELESS: Final = _page("jwt without a store", "strategies.md#jwt-without-a-store")
WHICH_STORE: Final = _page("which store", "deploying.md#which-store")
