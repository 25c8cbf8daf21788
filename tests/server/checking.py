"""Asking `/v1/check`, as a proxy does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import live

if TYPE_CHECKING:
    from collections.abc import Mapping

CROSS: Final = {"Sec-Fetch-Site": "cross-site"}
READ: Final = {"X-Original-Method": "GET"}
PAGE: Final = {"Accept": "text/html,*/*;q=0.8"}


def asked(
    device: live.Device | live.Site,
    query: str = "audience=web",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    path: str = "/v1/check",
) -> live.Answer:
    """What the check of a request with these headers and the device's credential answers."""
    site = device.site if isinstance(device, live.Device) else device
    own = device.headers() if isinstance(device, live.Device) else {}
    target = f"{path}?{query}" if query else path
    return site.call(method, target, headers={**own, **(headers or {})})


def told(answer: live.Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("x-auth-")}
