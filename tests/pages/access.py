"""What keeps people out of a page: looked for in a browser, by measure and by axe-core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from axe_playwright_python.sync_playwright import (  # type: ignore[import-untyped] # has none
    Axe,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Width, size of the text in percent; 320 is a desk's 1280 at 400 % (WCAG 2.2, 1.4.10).
LAYOUTS = ((1280, 100), (640, 200), (360, 100), (320, 100))
AXE = Axe().axe_script
# WCAG 2.2, 1.4.12: what people may set for themselves.
SPACED = """(() => {
  const sheet = document.styleSheets[0];
  sheet.insertRule(`* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
    word-spacing: 0.16em !important }`, sheet.cssRules.length);
  sheet.insertRule("p { margin-bottom: 2em !important }", sheet.cssRules.length);
})()"""
TARGETS = """Array.from(document.querySelectorAll("a, button, input:not([hidden])"), (e) => {
  const box = e.getBoundingClientRect();
  return [(e.id || e.textContent).trim(), box.width, box.height];
})"""
BEYOND = """Array.from(document.querySelectorAll("body *"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest(".unseen"))
  .map((e) => e.outerHTML.slice(0, 80))"""
COLOURS = '{ runOnly: ["cat.color"] }'
OUTLINE = """(() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
})()"""


def misplaced(page: Page, width: int, text: int) -> list[Any]:
    """What is too wide or too small in a window of this width, with text of this size."""
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate(f"document.documentElement.style.fontSize = '{text}%'")
    found = [*page.evaluate(BEYOND)]
    if page.evaluate("document.scrollingElement.scrollWidth") > width:
        found.append("scrolls")
    return found + [each for each in page.evaluate(TARGETS) if min(each[1:]) < 24]


def barriers(page: Page) -> list[Any]:
    """What axe-core finds, in light; in dark nothing but colours is another. Only that is asked
    for, as the rest of what it says takes long to come."""
    return [*_found(page, "light", "{}"), *_found(page, "dark", COLOURS)]


def _found(page: Page, scheme: Literal["dark", "light"], options: str) -> list[Any]:
    page.emulate_media(color_scheme=scheme)
    violations = page.evaluate(f"axe.run({options}).then((found) => found.violations)")
    return [(scheme, each["id"], each["nodes"][0]["html"]) for each in violations]
