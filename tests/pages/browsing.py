"""A browser's tab, and what must hold in it whatever is done."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page

# The browser's own word for a status from 400 on; not a violation of anything.
REFUSED: Final = re.compile(r"Failed to load resource: the server responded with a status of \d")


@contextmanager
def tab(browser: Browser, site: live.Site, **options: Any) -> Iterator[Page]:
    """A page in a browser of its own, without cookies. At the end: it asked nobody but the site,
    no script failed and no rule of the page's policy was violated."""
    said: list[str] = []
    asked: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not REFUSED.match(message.text):
            said.append(message.text)

    context = browser.new_context(**options)
    try:
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", hear)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        yield page
    finally:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(f"{site.url}/")] == []


def fill(page: Page, **fields: str) -> None:
    """Fills the form and sends it by its button."""
    for name, text in fields.items():
        page.fill(f"#{name}", text)
    page.locator("form", has=page.locator(f"#{next(iter(fields))}")).locator("button.main").click()


def notice(page: Page) -> str:
    return page.get_by_role("status").inner_text()


def devices(page: Page) -> Locator:
    """What the account lists as signed in."""
    return page.get_by_role("region", name="Your devices").get_by_role("listitem")


def focused(page: Page) -> str:
    """What has the focus: its id, or its words; nothing has while a page is still coming."""
    found: str = page.evaluate(
        "(() => { const e = document.activeElement;"
        " return e?.id || e?.textContent.trim() || '' })()"
    )
    return found


def gets_focus(page: Page, what: str) -> None:
    """Waits until this has the focus: browsers give it to an element of a page that has just come
    once they have drawn it, which may be after it was loaded."""
    live.until(lambda: focused(page) == what)
