r"""Where a sign-in returns to: a path of this site, never another one (open redirects).

What a browser takes for a host is more than what a server does: it reads `\` as `/`, and drops
tabs and line ends. So a path is known by what it may hold.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from counterfoil.errors import Malformed

# One slash and no second one, then visible ASCII; no backslash, no fragment.
_PATH: Final = re.compile(r"/(?!/)[!-\"$-\[\]-~]{0,2047}\Z")
# A segment `.` or `..`: without it, `/.//host` is `//host`.
_DOTS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)


def require_return_path(text: str) -> str:
    """The text, if it is a path of this site with or without a query. Raises `Malformed`."""
    if not _PATH.match(text) or _DOTS.search(text.partition("?")[0]):
        raise Malformed("Return to a path of this site, such as /orders?page=2.")
    return text


def login_address(root: str, return_to: str) -> str:
    """The sign-in page that comes back to `return_to`; root: the path of the issuer's URL."""
    return f"{root}/login?next={quote(require_return_path(return_to))}"
