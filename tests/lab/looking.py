"""A page of the lab, looked at in every way that people look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.access import AXE, LAYOUTS, barriers, misplaced

if TYPE_CHECKING:
    from playwright.sync_api import Page


def looked_at(page: Page) -> list[Any]:
    """What is too wide or too small at any width, and what axe-core finds in light and dark."""
    page.evaluate(AXE)
    return [
        *(fault for layout in LAYOUTS for fault in misplaced(page, *layout)),
        *barriers(page),
    ]
