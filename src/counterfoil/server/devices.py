"""What a signed-in device is called in a list of devices: "Firefox on Android".

The User-Agent is the client's own claim. It names, it never decides.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

from ua_parser import BasicResolver, Domain, Resolver, load_builtins

UNKNOWN: Final = "Unknown device"

_LONGEST: Final = 512
_LONGEST_NAME: Final = 40
_REMEMBERED: Final = 2048
_READ: Final = Domain.USER_AGENT | Domain.OS
# The system is named anyway, so the browser's own word for the same is left out.
_VARIANT: Final = re.compile(r" ?\b(?:Mobile|iOS)\b ?")
_NAMES: Final = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}
_IN_APP: Final = {"Mobile Safari UI/WKWebView", "Chrome Mobile WebView"}
# Programs mostly send `name/version` and nothing that a list of browsers knows.
_PROGRAM: Final = re.compile(r"(?!Mozilla\b)([A-Za-z][A-Za-z0-9._-]*)(?:/|\Z)")


def recognise(user_agent: str | None) -> str:
    """A short, printable name for the device that sent this; `UNKNOWN` where it tells nothing."""
    return _name(user_agent[:_LONGEST]) if user_agent else UNKNOWN


def warm_up() -> None:
    """Loads what is known of browsers (0.2 s); the first sign-in would otherwise wait for it."""
    _resolver()


@lru_cache(_REMEMBERED)
def _name(user_agent: str) -> str:
    text = "".join(filter(str.isprintable, user_agent)).strip()
    found = _resolver()(text, _READ)
    family = found.user_agent.family if found.user_agent else ""
    if family in _IN_APP:
        browser = _program(text) or "In-app browser"
    else:
        browser = _short(family) or _program(text)
    system = _short(found.os.family) if found.os else ""
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or UNKNOWN


@cache
def _resolver() -> Resolver:
    return BasicResolver(load_builtins())


def _short(family: str) -> str:
    # What is only "Mobile" or "iOS" is the name itself.
    name = _NAMES.get(family) or _VARIANT.sub("", family) or family
    return name[:_LONGEST_NAME].strip()


def _program(text: str) -> str:
    found = _PROGRAM.match(text)
    return found[1][:_LONGEST_NAME] if found else ""
