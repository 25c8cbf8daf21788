"""A sign-in leads to a path of the site, whatever a link says."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.server.pages.destination import destination

ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/%2Fevil.example",
    "/%252f/evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "/a/..//evil.example",
    "/%2e%2e//evil.example",
    "/%252e%252e%252f/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "",
    "?next=/",
    "#",
    "/caf\u00e9",
    "/\u2028",
    "/\x00",
    "/%00",
    "/a\r\nSet-Cookie: x=1",
    "/a%0d%0aSet-Cookie:x=1",
    "/" + "a" * 5000,
    "/%" + "25" * 1000,  # encoded a thousand times: nobody means that, and decoding it takes long
]
HERE = [
    "/",
    "/account",
    "/orders?page=2&of=https://other.example//x",
    "/orders/%C3%A9t%C3%A9",
    "/a//b",
    "/a%20b",
    "/a.b/..c/d..?x=/../y",
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_what_could_lead_elsewhere_leads_nowhere(text: str) -> None:
    """Other hosts and schemes, in every spelling that a browser or a proxy might read."""
    assert destination([text]) is None


@pytest.mark.parametrize("text", HERE)
def test_a_path_of_the_site_is_kept_as_it_is(text: str) -> None:
    """With its query, and with what is encoded in it."""
    assert destination([text]) == text


def test_nothing_and_several_are_no_destination() -> None:
    """Of two, one reader would check the first and another follow the second."""
    assert destination([]) is None
    assert destination(["/a", "/a"]) is None


@given(
    st.lists(st.sampled_from(["/", "\\", ".", "..", "%2f", "%5C", "%09", "%25", "\t", "e.x", "@"]))
)
def test_a_destination_never_leaves_the_host(pieces: list[str]) -> None:
    """However the pieces are put together, also when what is sent is decoded once more."""
    text = "/" + "".join(pieces)
    for sent in (text, quote(text, safe="/%\\")):
        found = destination([sent])
        if found is not None:
            parts = urlsplit(urljoin("https://app.example/login", found.replace("\\", "/")))
            assert (parts.scheme, parts.netloc) == ("https", "app.example")
