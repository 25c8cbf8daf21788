"""Cross-site writes are refused, a browser's own and everything else's are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.carriers.cross_site import refuse_cross_site
from counterfoil.errors import CrossSite, Malformed

ORIGINS = frozenset({"https://app.example", "http://localhost:8000"})
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "PROPFIND", "get", "WEBSOCKET", ""]


def check(method: str, **headers: bytes) -> None:
    listed = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    refuse_cross_site(method, listed, allowed_origins=ORIGINS)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass_from_everywhere(method: str) -> None:
    """They change nothing, and links from other sites must work."""
    check(method, sec_fetch_site=b"cross-site", origin=b"https://evil.example")


@pytest.mark.parametrize("site", [b"same-origin", b"none"])
def test_a_write_of_the_page_itself_or_of_the_person_passes(site: bytes) -> None:
    """Fetch Metadata decides alone: no page can set it."""
    check("POST", sec_fetch_site=site)
    check("POST", sec_fetch_site=site, origin=b"https://elsewhere.example")


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_s7_a_write_from_another_origin_is_refused(method: str, site: bytes) -> None:
    """Siblings too; a listed Origin does not make up for it."""
    with pytest.raises(CrossSite):
        check(method, sec_fetch_site=site)
    with pytest.raises(CrossSite):
        check(method, sec_fetch_site=site, origin=b"https://app.example")


@pytest.mark.parametrize("site", [b"", b"Same-Origin", b"same-origin ", b"same-origin, none", b"x"])
def test_a_word_that_fetch_metadata_does_not_have_is_refused(site: bytes) -> None:
    """What is not known to be our own is not."""
    with pytest.raises(CrossSite):
        check("POST", sec_fetch_site=site)


@pytest.mark.parametrize("origin", sorted(ORIGINS))
def test_without_fetch_metadata_a_listed_origin_passes(origin: str) -> None:
    """Browsers from before 2023, and plain http."""
    check("POST", origin=origin.encode())


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"",
        b"https://evil.example",
        b"http://app.example",
        b"https://app.example:443",
        b"https://app.example/",
        b"https://app.example.evil.example",
        b"https://APP.example",
        b"https://app.exampl",
        b"https://sub.app.example",
        b"https://app.example\xff",
    ],
)
def test_s7_without_fetch_metadata_every_other_origin_is_refused(origin: bytes) -> None:
    """Compared whole and exactly; sandboxed pages say `null`."""
    with pytest.raises(CrossSite):
        check("POST", origin=origin)


def test_null_is_refused_even_when_it_is_listed() -> None:
    """Every sandboxed frame of every site has that origin."""
    with pytest.raises(CrossSite):
        refuse_cross_site("POST", [(b"origin", b"null")], allowed_origins=frozenset({"null"}))


@pytest.mark.parametrize("method", UNSAFE)
def test_what_is_no_browser_passes(method: str) -> None:
    """Neither header: curl, a service, a test."""
    check(method)


@pytest.mark.parametrize("name", [b"sec-fetch-site", b"origin"])
def test_s19_a_header_that_is_there_twice_is_refused(name: bytes) -> None:
    """Also when both say the same, and when the other header would decide."""
    value = {b"origin": b"https://app.example", b"sec-fetch-site": b"same-origin"}[name]
    headers = [(b"sec-fetch-site", b"same-origin")] * (name == b"origin") + [(name, value)] * 2
    with pytest.raises(Malformed):
        refuse_cross_site("POST", headers, allowed_origins=ORIGINS)


@given(st.binary(max_size=30), st.sampled_from([b"origin", b"sec-fetch-site"]))
def test_whatever_arrives_is_ours_or_refused(value: bytes, name: bytes) -> None:
    """Nothing else than the listed values passes, and nothing else is raised."""
    ours = {b"same-origin", b"none"} if name == b"sec-fetch-site" else {o.encode() for o in ORIGINS}
    try:
        refuse_cross_site("POST", [(name, value)], allowed_origins=ORIGINS)
    except CrossSite:
        assert value not in ours
    else:
        assert value in ours
