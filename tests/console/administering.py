"""Administrators at work: without a browser, and in one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import live
from pages.browsing import fill, tab
from pages.visiting import Guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page


def administrator(site: live.Site) -> live.Person:
    """Somebody new with the role admin."""
    person, asking = site.person(), site.administrator()
    path, sent = f"/v1/admin/accounts/{person.subject}", {"roles": ["admin"]}
    # Over a network, a server that has just begun may not know its own newest revocations yet.
    live.until(lambda: asking.call("PATCH", path, sent).status == 200)
    return person


@dataclass(slots=True)
class Desk(Guest):
    """A browser without windows, in which an administrator is signed in."""

    person: live.Person = None  # type: ignore[assignment] # `at` gives it

    @classmethod
    def at(cls, site: live.Site) -> Desk:
        desk = cls(site, person=administrator(site))
        assert desk.sign_in(desk.person).status == 303
        return desk

    def confirmed(self, path: str, **fields: str) -> live.Answer:
        """The form of a grave action, sent with the password."""
        return self.post(path, **fields, password=self.person.password)


@contextmanager
def console(
    browser: Browser, site: live.Site, path: str = "/admin", **options: Any
) -> Iterator[tuple[Page, live.Person]]:
    """A tab at this page of the console, and who is signed in there."""
    person = administrator(site)
    with tab(browser, site, **options) as page:
        page.goto(site.url + path)
        fill(page, identifier=person.identifier, password=person.password)
        page.wait_for_url(site.url + path)
        yield page, person


def events(site: live.Site, *, subject: str | None = None) -> list[dict[str, Any]]:
    """The trail as the API tells it, newest first."""
    query = f"?subject={subject}" if subject else ""
    found: list[dict[str, Any]] = (
        site.administrator().call("GET", f"/v1/admin/events{query}").json["events"]
    )
    return found
