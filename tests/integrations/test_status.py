"""Status over HTTP: what verifiers, third parties and caches on the way are answered."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from counterfoil import BlockingCounterfoil, Client
from counterfoil.errors import StoreUnavailable
from counterfoil.feeds import list_tokens
from counterfoil.feeds import pump as pumps
from counterfoil.integrations import status as pages
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.status_feed import NONCE_BYTES, Question, nonce_of, read_answer
from decoding import decoded, statuses
from getting import Reply, ask
from nodes import Watched, own_keys
from serving import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil import Opened
    from counterfoil.feeds.pump import Ready
    from counterfoil.status_feed import Answer

FEED: Final = "/status/feed"
LISTS: Final = "/status/lists"
METADATA: Final = "/.well-known/oauth-authorization-server"
NONCE: Final = nonce_of(bytes(NONCE_BYTES))
JWT: Final = "application/statuslist+jwt"
API: Final = Client(client_id="api", strategy="hybrid")


@dataclass
class Site:
    """An issuer's node, served."""

    url: str
    auth: BlockingCounterfoil
    store: Watched
    path: str = ""

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.url, self.path + path, method=method, headers=named)

    def list_of(self, opened: Opened) -> str:
        return f"{LISTS}/{opened.session.indices[0].list_id}"

    def poll(self, question: Question) -> Answer:
        answer = self.get(f"{FEED}?{question.query()}")
        assert answer.status == 200, answer.body
        keys, issuer = self.auth.keys.public_keys(), self.auth.issuer
        text = answer.body.decode()
        return read_answer(text, question, keys=keys, issuer=issuer, held=None)


def served(store: Watched, path: str, clients: tuple[Client, ...]) -> Iterator[Site]:
    sites: list[Site] = []

    def app(url: str) -> Any:
        auth = BlockingCounterfoil(issuer=url + path, store=store, clients=clients, keys=own_keys())
        sites.append(Site(url, auth, store, path))
        issuer = IssuerApp(auth)
        return Starlette(routes=[Mount(path, issuer)]) if path else issuer

    with serving(app):
        yield sites[0]
        store.trouble = None
        sites[0].auth.close()


@pytest.fixture(scope="module", params=["", "/auth"], ids=["at the root", "below a path"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    yield from served(Watched(), request.param, (API,))


@pytest.fixture
def own_site() -> Iterator[Site]:
    """One that a test may break."""
    yield from served(Watched(), "", (API,))


def test_a_third_party_verifies_and_reads_a_list(site: Site) -> None:
    """By the draft, pyjwt, the keys that are published, and ten lines: nothing of ours."""
    kept, ended = site.auth.open("ann"), site.auth.open("ben")
    site.auth.revoke(ended.session.id)
    claims = [
        jwt.decode(opened.credential.token, options={"verify_signature": False})
        for opened in (kept, ended)
    ]
    reference = claims[0]["status"]["status_list"]
    uri = reference["uri"]
    answer = ask(site.url, uri.removeprefix(site.url), headers={"Accept": JWT})
    assert (answer.status, answer.headers["content-type"]) == (200, JWT)
    token = answer.body.decode()
    keys = jwt.PyJWKClient(f"{site.auth.issuer}/.well-known/jwks.json")
    key = keys.get_signing_key_from_jwt(token)
    found: dict[str, Any] = jwt.decode(token, key, algorithms=["ES256"])
    assert jwt.get_unverified_header(token)["typ"] == "statuslist+jwt"
    assert found["sub"] == uri
    assert found["exp"] - found["iat"] == found["ttl"] == 60
    listed = found["status_list"]
    entries = statuses(decoded(listed["lst"]), listed["bits"])
    assert entries[reference["idx"]] == 0
    assert entries[claims[1]["status"]["status_list"]["idx"]] == 1
    assert len(entries) == 2**20


def test_every_kind_of_status_is_in_the_list(site: Site) -> None:
    """2 where the subject is suspended, 3 where the claims have changed."""
    suspended, stale = site.auth.open("sue"), site.auth.open("sam")
    site.auth.suspend("sue")
    site.auth.claims_changed("sam")
    found = _listed(site, suspended)
    assert [found[opened.session.indices[0].index] for opened in (suspended, stale)] == [2, 3]
    site.auth.reinstate("sue")
    assert _listed(site, suspended)[suspended.session.indices[0].index] == 0


def _listed(site: Site, opened: Opened) -> list[int]:
    """The list as it stands now: a verifier says how far it has heard."""
    position = site.poll(Question(nonce=NONCE)).read.position
    path = f"{site.list_of(opened)}?epoch={position.epoch}&number={position.number}"
    payload = jwt.decode(site.get(path).body.decode(), options={"verify_signature": False})
    assert payload["counterfoil_position"] >= [position.epoch, position.number]
    return statuses(decoded(payload["status_list"]["lst"]), payload["status_list"]["bits"])


def test_who_has_the_list_is_not_sent_it_again(site: Site) -> None:
    """By ETag in every form of If-None-Match; packed, it is another representation."""
    path = site.list_of(site.auth.open("ann"))
    etag = site.get(path).headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', f'"x",W/{etag}, "y"', "*"):
        answer = site.get(path, If_None_Match=known)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["vary"] == "Accept-Encoding"
        assert {"cache-control", "access-control-allow-origin"} <= answer.headers.keys()
        assert not {"content-encoding", "content-type"} & answer.headers.keys()
    assert site.get(path, If_None_Match='"x"').status == 200
    assert site.get(path, If_None_Match=etag, Accept_Encoding="gzip").status == 200


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("deflate,gzip", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;q=0.000, identity", False),
        ("x-gzip-9", False),
    ],
)
def test_a_list_is_packed_for_who_takes_it(site: Site, accepted: str, *, is_packed: bool) -> None:
    """And a cache on the way is told that there are two."""
    path = site.list_of(site.auth.open("ann"))
    answer = site.get(path, Accept_Encoding=accepted)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert ("content-encoding" in answer.headers) is is_packed
    body = gzip.decompress(answer.body) if is_packed else answer.body
    assert jwt.get_unverified_header(body.decode())["typ"] == "statuslist+jwt"
    again = site.get(path, Accept_Encoding=accepted, If_None_Match=answer.headers["etag"])
    assert again.status == 304


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (JWT, 200),
        ("application/statuslist+jwt;q=0.3, application/statuslist+cwt", 200),
        ("Application/StatusList+JWT", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("application/statuslist+cwt", 406),
        ("application/json", 406),
        ("text/html, text/*;q=0.5", 406),
        ("application/statuslist+jwt;q=0, text/html", 406),
    ],
)
def test_a_list_is_a_jwt_and_nothing_else(site: Site, accept: str, status: int) -> None:
    """CWT is not served, and that is said; who asks for nothing takes what there is."""
    path = site.list_of(site.auth.open("ann"))
    answer = site.get(path, Accept=accept)
    assert answer.status == status
    if status == 406:
        assert answer.json["status"] == 406
        assert JWT in answer.json["detail"]


def test_a_list_may_be_kept_until_shortly_before_it_ends(site: Site) -> None:
    """By caches that do not read it; exp and ttl go before (§8.2). Pages of other sites read it."""
    answer = site.get(site.list_of(site.auth.open("ann")))
    kind, _, age = answer.headers["cache-control"].partition(", max-age=")
    assert kind == "public"
    assert 60 - list_tokens.RENEW_AFTER.total_seconds() - 10 <= int(age) <= 55
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_only_the_present_list_is_kept(site: Site) -> None:
    """§8.4: 501 to who asks for another time; no history is told to anybody."""
    path = site.list_of(site.auth.open("ann"))
    for when in ("1700000000", "0", "", "x"):
        answer = site.get(f"{path}?time={when}")
        assert answer.status == answer.json["status"] == 501


def test_all_lists_are_named_in_one_place(site: Site) -> None:
    """§9; the metadata says where."""
    opened = site.auth.open("ann")
    metadata = ask(site.url, METADATA + site.path if not site.path else site.path + METADATA).json
    where = metadata["status_list_aggregation_endpoint"]
    assert where == f"{site.auth.issuer}{LISTS}"
    answer = ask(site.url, where.removeprefix(site.url))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    uris = answer.json["status_lists"]
    assert f"{site.url}{site.path}{site.list_of(opened)}" in uris
    assert len(uris) == len(set(uris)) >= 2
    for uri in uris:
        assert ask(site.url, uri.removeprefix(site.url)).status == 200


@pytest.mark.parametrize("path", ["/unknown", "/", "/a/b", "/..%2fx", "/%00", "/" + "x" * 5000])
def test_a_list_that_is_not_kept_is_not_found(site: Site, path: str) -> None:
    """404, as a problem."""
    answer = site.get(LISTS + path)
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_head_answers_as_get_without_the_body(site: Site) -> None:
    """The feed as well, though nobody has a use for it."""
    path = site.list_of(site.auth.open("ann"))
    head, get = site.get(path, method="HEAD"), site.get(path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))
    assert head.headers["etag"] == get.headers["etag"]
    feed = site.get(f"{FEED}?nonce={NONCE}", method="HEAD")
    assert (feed.status, feed.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [FEED, LISTS, f"{LISTS}/a"])
def test_other_methods_are_not_for_this(site: Site, path: str, method: str) -> None:
    """405 with Allow, as a problem."""
    answer = site.get(path, method=method)
    assert answer.status == answer.json["status"] == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_an_answer_of_the_feed_is_for_nobody_else(site: Site) -> None:
    """No cache keeps it."""
    answer = site.get(f"{FEED}?nonce={NONCE}")
    assert answer.headers["content-type"] == "application/jwt"
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    "query",
    [
        *("", "nonce", "nonce=", "nonce=x", f"nonce={NONCE}&nonce={NONCE}", f"nonce={NONCE}&x=1"),
        *(f"nonce={NONCE}&number=1", f"nonce={NONCE}&wait=-1", f"nonce={NONCE}&wait=1e9"),
        *(f"nonce={NONCE}&seal=%00", f"nonce={NONCE}&seal=%ff", f"nonce={NONCE}&&"),
        f"nonce={NONCE}&terms=" + "x" * 500,
        "&".join(["nonce=" + NONCE] * 40),
    ],
)
def test_a_question_that_cannot_be_read_is_malformed(site: Site, query: str) -> None:
    """400, as a problem with what to do."""
    answer = site.get(f"{FEED}?{query}")
    assert (answer.status, answer.json["code"]) == (400, "malformed")


def test_news_comes_to_who_waits_for_it(site: Site) -> None:
    """From whatever thread it was committed in."""
    opened = site.auth.open("ann")
    known = site.poll(Question(nonce=NONCE))
    position, wait = known.read.position, timedelta(seconds=3)
    question = Question(nonce=NONCE, position=position, terms=known.digest, wait=wait)
    published, replies = site.auth.published, list[Reply]()
    assert published is not None
    path = f"{FEED}?{question.query()}"
    thread = threading.Thread(target=lambda: replies.append(site.get(path)))
    thread.start()
    until(lambda: published.pump.waiting)
    began = time.monotonic()
    site.auth.revoke(opened.session.id)
    thread.join()
    assert time.monotonic() - began < 1.5
    (index,) = opened.session.indices
    payload = jwt.decode(replies[0].body.decode(), options={"verify_signature": False})
    assert payload["changes"] == {index.list_id: {"1": [index.index]}}


def test_who_waits_is_answered_when_the_engine_is_closed(own_site: Site) -> None:
    """And not two seconds after they gave up: whoever serves them could not stop before."""
    own_site.auth.open("ann")
    known = own_site.poll(Question(nonce=NONCE))
    position, wait = known.read.position, timedelta(seconds=3)
    question = Question(nonce=NONCE, position=position, terms=known.digest, wait=wait)
    replies, path = list[Reply](), f"{FEED}?{question.query()}"
    thread = threading.Thread(target=lambda: replies.append(own_site.get(path)))
    thread.start()
    until(lambda: own_site.auth.published.pump.waiting)  # type: ignore[union-attr]
    own_site.auth.close()
    thread.join(1)
    assert [reply.status for reply in replies] == [200]


def test_who_is_gone_with_their_loop_is_in_nobodys_way(own_site: Site) -> None:
    """A server that has stopped before who waited there was answered: no revocation fails of it,
    and who waits elsewhere hears of it."""
    opened = own_site.auth.open("ann")
    known = own_site.poll(Question(nonce=NONCE))
    position, wait = known.read.position, timedelta(seconds=3)
    question = Question(nonce=NONCE, position=position, terms=known.digest, wait=wait)
    published = own_site.auth.published
    assert published is not None
    loop = asyncio.new_event_loop()
    query = question.query().encode()
    scope = {"type": "http", "method": "GET", "path": FEED, "headers": [], "query_string": query}
    gone = loop.create_task(IssuerApp(own_site.auth)(scope, None, None))  # type: ignore[arg-type]
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    heard: list[Ready] = []
    for _ in range(20):
        published.enter(question, heard.append)
    assert own_site.auth.revoke(opened.session.id).count == 1
    assert len(heard) == 20
    assert not gone.done()


def test_only_so_many_wait(own_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a moment to ask again at."""
    monkeypatch.setattr(pumps, "MOST_WAITING", 0)
    answer = own_site.get(f"{FEED}?nonce={NONCE}")
    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"


def test_s21_without_its_store_nothing_is_told(
    own_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither "nothing new", to who waits already, nor a list once what is known is too old."""
    monkeypatch.setattr(pages, "ANSWERED_WITHIN", 0.2)
    monkeypatch.setattr(list_tokens, "STALE", 0.5)
    own_site.poll(Question(nonce=NONCE))
    path = own_site.list_of(own_site.auth.open("ann"))
    known = own_site.poll(Question(nonce=NONCE))
    own_site.store.trouble = StoreUnavailable()
    up_to_date = Question(nonce=NONCE, position=known.read.position, terms=known.digest)
    for question in (up_to_date, Question(nonce=NONCE)):
        answer = own_site.get(f"{FEED}?{question.query()}")
        assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
        assert "retry-after" in answer.headers
    published = own_site.auth.published
    assert published is not None
    assert published.pump.waiting == 0
    until(lambda: own_site.get(path).status == 503)
    own_site.store.trouble = None
    until(lambda: own_site.get(path).status == 200)
