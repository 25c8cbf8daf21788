"""The style sheet, the script and the mark, each at an address that changes with what it holds."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from counterfoil.errors import NotFound

if TYPE_CHECKING:
    from starlette.requests import Request

# Apart from the pages: a proxy that sends some addresses here sends this one, and no other.
FOLDER: Final = "/counterfoil/static"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class StaticFile(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str


def address(name: str) -> str:
    """Where the file of this name is; raises `KeyError` for one that there is not."""
    return f"{FOLDER}/{_addresses()[name]}"


async def static_file(request: Request) -> Response:
    """The file of exactly this address; raises `NotFound`."""
    found = _contents().get(request.path_params["name"])
    if found is None:
        raise NotFound("There is nothing at this address.")
    return Response(
        found.content,
        headers={
            "content-type": found.media_type,
            "cache-control": "public, max-age=31536000, immutable",
            "cross-origin-resource-policy": "same-origin",
            "x-content-type-options": "nosniff",
        },
    )


ROUTE: Final = Route(FOLDER + "/{name}", static_file, include_in_schema=False)


@cache
def _addresses() -> dict[str, str]:
    """The last part of each file's address, by its name."""
    return {name: _named(name, content) for name, content in _read().items()}


@cache
def _contents() -> dict[str, StaticFile]:
    """Each file, by the last part of its address."""
    return {
        _named(name, content): StaticFile(content, _TYPES[name[name.rindex(".") :]])
        for name, content in _read().items()
    }


@cache
def _read() -> dict[str, bytes]:
    folder = files("counterfoil.server.pages") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def _named(name: str, content: bytes) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
