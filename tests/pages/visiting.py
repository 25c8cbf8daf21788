"""Somebody who opens pages and sends forms as a browser would, without one."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    import live

FORM: Final = "application/x-www-form-urlencoded"
OWN: Final = {"Sec-Fetch-Site": "same-origin"}


@dataclass(slots=True)
class Guest:
    """A browser with its cookies."""

    site: live.Site
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> live.Answer:
        return self._kept(
            self.site.call("GET", path, headers={**self._cookie(), **(headers or {})})
        )

    def post(
        self, path: str, headers: Mapping[str, str] | None = None, /, **fields: str
    ) -> live.Answer:
        sent = {"Content-Type": FORM, **OWN, **self._cookie(), **(headers or {})}
        return self._kept(self.site.call("POST", path, urlencode(fields).encode(), sent))

    def sign_in(self, person: live.Person, path: str = "/login") -> live.Answer:
        return self.post(path, identifier=person.identifier, password=person.password)

    def _cookie(self) -> dict[str, str]:
        pairs = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        return {"Cookie": pairs} if pairs else {}

    def _kept(self, answer: live.Answer) -> live.Answer:
        for line in answer.set_cookies():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0;" in line:
                del self.cookies[name]
        return answer


def somebody() -> str:
    """An identifier that nobody has."""
    return f"{uuid.uuid4().hex}@example.org"


def place(answer: live.Answer) -> str:
    """Where the answer leads."""
    assert answer.status == 303, answer
    return answer.header("location") or ""


def text_of(answer: live.Answer) -> str:
    """The words of a page, one space between them."""
    assert answer.header("content-type") == "text/html; charset=utf-8", answer
    plain = re.sub(r"<[^>]*>", " ", answer.raw.decode())
    return " ".join(unescape(plain).split())


def summary(answer: live.Answer) -> str:
    """What the page says is wrong with the form; empty where nothing is."""
    found = re.search(r'<div class="summary".*?</div>', answer.raw.decode(), re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found[0])).split()) if found else ""


def wrong_fields(answer: live.Answer) -> list[str]:
    """The fields that are marked, each of which names the summary."""
    inputs = re.findall(r"<input [^>]*aria-invalid[^>]*>", answer.raw.decode())
    assert all(re.search(r'aria-describedby="[^"]*\bsummary"', each) for each in inputs)
    return re.findall(r'name="(\w+)"', " ".join(inputs))


def notice(answer: live.Answer) -> str:
    """What the page says was done."""
    found = re.search(r'<p class="notice" [^>]*>(.*?)</p>', answer.raw.decode())
    return unescape(found[1]) if found else ""
