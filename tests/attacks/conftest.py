"""One server for all tests here that leave it as it was."""

from __future__ import annotations

from sites import admin, site

__all__ = ["admin", "site"]
