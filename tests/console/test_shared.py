"""The console over PostgreSQL, and where several workers answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import live
from console.administering import Desk
from counterfoil.server.composition import TABLES
from counterfoil.server.tables.accounts import Account, AccountRows
from counterfoil.stores.migrations import migrate
from counterfoil.stores.postgres import PostgresStore
from pages.visiting import place, text_of
from postgresql import new_schema
from working import crews

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Texts that this database cannot hold: nobody and nothing is called so.
ODD = {
    "/admin/sessions?person=a%00b": 200,
    "/admin/sessions?client=%00&before=%00": 200,
    "/admin/people?name=a&after=%00": 200,
    "/admin/people/a%00b": 404,
    "/admin/sessions/a%00b": 404,
    "/admin/clients/%00": 404,
    "/admin/keys/%00/distrust": 404,
    "/admin/events?person=%00&session=%00": 200,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with new_schema() as url:
        yield url


async def test_identifiers_are_found_in_the_order_of_their_bytes(url: str) -> None:
    """Whatever language the database sorts by: no name is left out for a dash or a dot in it."""
    store = PostgresStore(url)
    await migrate(store.rows, component="server", package=TABLES)
    rows = AccountRows(store.rows)
    names = ["ann", "ann-b", "ann.c", "ann_d", "anna", "ANNE", "bob", "an", "a~", "~z"]
    for number, name in enumerate(names):
        account = Account(
            subject=f"s-{number}",
            identifier=name,
            canonical=name.lower(),
            password="",
            created_at=datetime.now(UTC),
        )
        await rows.add(account)
    found = [each.canonical for each in await rows.search("ann", after=None, limit=50)]
    assert found == sorted(name.lower() for name in names if name.lower().startswith("ann"))
    first = await rows.search("", after=None, limit=4)
    rest = await rows.search("", after=first[-1].canonical, limit=50)
    assert [each.canonical for each in [*first, *rest]] == sorted(map(str.lower, names))
    assert await rows.identifiers(["s-0", "s-5", "none"]) == {"s-0": "ann", "s-5": "ANNE"}
    await store.close()


def test_the_console_over_postgresql(url: str, tmp_path: Path) -> None:
    """Each of its pages, whatever is asked for in them, an ending, and a change of a client."""
    secret = tmp_path / "secret"
    secret.write_text("a-secret-for-the-keys-of-this-test-alone")
    secret.chmod(0o600)
    with live.serving(tmp_path / "data", store=url, secret_file=secret) as site:
        desk, device = Desk.at(site), site.person().sign_in("api")
        for path in (
            "/admin",
            f"/admin/sessions?person={device.person.identifier}",
            "/admin/sessions?strategy=hybrid&opened=day",
            f"/admin/sessions/{device.session_id}",
            f"/admin/people?name={device.person.identifier[:6]}",
            f"/admin/people/{device.person.subject}",
            "/admin/verifiers",
            "/admin/keys",
            "/admin/clients",
            "/admin/clients/api",
            "/admin/events",
            "/admin/events/export?format=csv",
        ):
            assert desk.get(path).status == 200, path
        for path, status in ODD.items():
            assert desk.get(path).status == status, path
        asking = site.administrator()
        live.until(lambda: asking.call("GET", "/v1/admin/accounts?after=%00").status == 200)
        assert place(desk.post(f"/admin/sessions/{device.session_id}/end")) == "/admin/ended"
        assert "1 session was ended." in text_of(desk.get("/admin/ended"))
        live.until(lambda: device.who().code == "session_revoked")
        settings = dict.fromkeys(("access", "idle", "absolute", "grace"), "")
        settings |= {"max_staleness": "7s", "manage": "yes"}
        assert desk.confirmed("/admin/clients/api/settings", **settings).status == 303
        assert "Bound 7s" in text_of(desk.get("/admin/clients/api"))


def test_whichever_worker_is_asked_tells_the_same(tmp_path: Path) -> None:
    """Who ended what, by which numbers, how many workers there are."""
    with crews(tmp_path) as begin:
        site = begin(2).site
        desk, device = Desk.at(site), site.person().sign_in("api")
        assert place(desk.post(f"/admin/sessions/{device.session_id}/end")) == "/admin/ended"
        for _ in range(12):
            assert "1 session was ended." in text_of(desk.get("/admin/ended"))
        assert "those of all 2 workers" in text_of(desk.get("/admin"))
        live.until(lambda: _signed_in(desk) > 0)


def _signed_in(desk: Desk) -> int:
    """What the overview says of sign-ins."""
    words = text_of(desk.get("/admin")).partition("Signed in ")[2]
    return int(words.split()[0].replace(",", "") or 0)
