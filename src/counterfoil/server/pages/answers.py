"""Pages as answers: rendered, never stored, and closed to whatever other sites could add."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from counterfoil.server.pages import static_files, words

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    " require-trusted-types-for 'script'"
)
HEADERS: Final = {
    "cache-control": "no-store",
    "vary": "Cookie",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
    # Not no-referrer: browsers would then send our own forms with `Origin: null`.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a view answers. template: none for what has no body. values: what the template names;
    a name without a value is an error. code: of a refusal, for the log."""

    template: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None

    def response(self, root: str, *, lab: bool = False) -> Response:
        """root: what stands before the path of every page, where a proxy takes it away. lab:
        whether there is one that pages lead to."""
        headers = {**HEADERS, **self.headers}
        if not self.template:
            return Response(status_code=self.status, headers=headers)
        text = templates().get_template(self.template).render(self.values, root=root, lab=lab)
        return HTMLResponse(text, self.status, headers)


def redirect(place: str) -> Answer:
    """On to a place on this site, with GET (RFC 9110 §15.4.4); `place` is sent as it is."""
    return Answer(status=HTTPStatus.SEE_OTHER, headers={"location": place})


@cache
def templates() -> Environment:
    """Everything is escaped, and a name without a value is an error."""
    environment = Environment(
        loader=PackageLoader("counterfoil.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static_files.address
    environment.filters["stamp"] = words.stamp
    environment.filters["exact"] = words.exact
    environment.filters["second"] = words.second
    environment.filters["short"] = words.short
    return environment
