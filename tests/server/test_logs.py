"""Log lines of a server: one for each request, which tells nobody who was here."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.server.operations import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = re.compile(r"[0-9a-f]{32}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OURS = "0123456789abcdef-0123456789ABCDEF"


class Written:
    """What a server that is set up to log has written; a line comes after its answer."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self, count: int) -> list[dict[str, Any]]:
        """So many lines, once they are there; what was written is then forgotten."""
        live.until(lambda: self.stream.getvalue().count("\n") >= count)
        found = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        self.forget()
        return found

    def forget(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    written = Written()
    monkeypatch.setattr(sys, "stderr", written.stream)
    root = logging.getLogger()
    handlers = root.handlers
    levels = {name: logging.getLogger(name).level for name in ("", "uvicorn", "asyncio")}
    logs.configure("info")
    yield written
    root.handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class Watched(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("declined", ["", "1"])
def test_colours_on_a_terminal_can_be_declined(
    written: Written, monkeypatch: pytest.MonkeyPatch, declined: str
) -> None:
    """With NO_COLOR, if it is not empty."""
    written.stream = Watched()
    monkeypatch.setattr(sys, "stderr", written.stream)
    monkeypatch.setenv("NO_COLOR", declined)
    logs.configure("info")
    logging.getLogger("counterfoil.server").info("stopping", extra={"members": {"detail": "x"}})
    told = written.stream.getvalue()
    assert "stopping" in told
    assert ("\x1b[" in told) is not bool(declined)


def id_of(answer: live.Answer) -> str:
    found = answer.header("x-request-id")
    assert found is not None, answer
    return found


def test_at_info_no_line_tells_who_was_here(tmp_path: Path) -> None:
    """A whole story in a process of its own: neither identifier, subject, session, address nor
    agent; no password, handle, cookie or token; and no address that was asked for."""
    agent = {"User-Agent": "Mozilla/5.0 (marker)"}
    with live.process(tmp_path / "data", log_level="info") as (site, _):
        person = site.person()
        secrets = [person.identifier, person.subject, live.PASSWORD, live.WRONG, "marker"]
        person.try_sign_in(password=live.WRONG)
        for client_id in ("web", "api", "partner", "spa"):
            device = person.sign_in(client_id)
            secrets += [device.session_id, *device.secrets]
            device.call("GET", "/v1/session", headers=agent)
            device.refresh()
            device.call("GET", "/v1/session?marker=1")
            device.call("GET", f"/marker/{person.identifier}")
            device.call("DELETE", f"/v1/sessions/{device.session_id}")
            device.call("GET", "/v1/sessions")
            secrets += device.secrets
            device.sign_out()
        admin = site.administrator()
        admin.call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["editor"]})
        admin.call("GET", f"/v1/admin/sessions?subject={person.subject}")
        site.raw(f"GET /{person.identifier}\r\n\r\n".encode())
    text = (tmp_path / "data.log").read_text()
    assert all(json.loads(line)["level"] for line in text.splitlines())
    assert text.count('"event": "request"') > 30
    assert [secret for secret in secrets if secret in text] == []
    assert "127.0.0.1" not in text
    assert "/v1/admin/accounts/{subject}" in text


def test_a_request_is_one_line_that_says_what_became_of_it(
    site: live.Site, written: Written
) -> None:
    """When, which call, the answer, how long; the code of a refusal; the client where it shows."""
    device = site.person().sign_in("api")
    written.lines(2)
    assert device.who().status == 200
    refused = site.call("DELETE", "/v1/sessions/x")
    served, told = written.lines(2)
    assert served.pop("duration_ms") > 0
    assert re.fullmatch(MOMENT, served.pop("time"))
    assert ID.fullmatch(served.pop("request_id"))
    assert served == {
        "event": "request",
        "level": "info",
        "logger": "counterfoil.request",
        "method": "GET",
        "route": "/v1/session",
        "status": 200,
        "strategy": "hybrid",
        "client_id": "api",
    }
    assert (told["method"], told["route"]) == ("DELETE", "/v1/sessions/{session_id}")
    assert (told["status"], told["code"]) == (401, "credential_missing")
    assert told["request_id"] == id_of(refused)


def test_every_line_of_a_request_carries_its_id(
    site: live.Site, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does the line of a failure that nobody foresaw, and the answer that says nothing else."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError(live.PASSWORD)

    assert site.server is not None
    monkeypatch.setattr(type(site.server.accounts.rows), "by_canonical", broken)
    answer = live.Person(site, "somebody", live.PASSWORD, "").try_sign_in()
    lines = written.lines(3)
    assert answer.status == 500
    assert {line["request_id"] for line in lines} == {id_of(answer)}
    assert [line["level"] for line in lines].count("info") == 1


def test_health_and_metrics_leave_no_line(site: live.Site, written: Written) -> None:
    """They are asked every few seconds for as long as the server lives."""
    for path in ("/livez", "/readyz", "/metrics", "/"):
        assert id_of(site.call("GET", path))
    assert [line["route"] for line in written.lines(1)] == ["/"]


def test_every_answer_has_an_id_of_its_own(site: live.Site) -> None:
    """Refusals of every kind, what is published, and what was no HTTP at all."""
    calls = [
        ("GET", "/"),
        ("GET", "/livez"),
        ("HEAD", "/livez"),
        ("GET", "/nothing"),
        ("PUT", "/livez"),
        ("GET", "/v1/session"),
        ("POST", "/v1/sessions"),
        ("GET", "/openapi.json"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/.well-known/nothing"),
    ]
    ids = [id_of(site.call(method, path)) for method, path in calls]
    wire = re.search(rb"\r\nx-request-id: ([^\r]+)\r\n", site.raw(b"HELLO\r\n\r\n"))
    assert wire is not None
    ids.append(wire[1].decode())
    assert all(ID.fullmatch(each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_an_id_is_taken_over_from_trusted_proxies_only(
    site: live.Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """And only if it is one: hexadecimal, once, not too short and not too long."""
    sent = {"X-Request-Id": OURS}
    assert ID.fullmatch(id_of(site.call("GET", "/livez", headers=sent)))
    data = tmp_path_factory.mktemp("behind") / "data"
    with live.serving(data, trusted_proxies=("127.0.0.1",)) as behind:
        assert id_of(behind.call("GET", "/livez", headers=sent)) == OURS
        for text in ("ann@example.org", "short", "a" * 65, f"{OURS} ", f"{OURS}\x7f", "cf_" + OURS):
            raw = f"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: {text}\r\n"
            answer = behind.raw(f"{raw}Connection: close\r\n\r\n".encode()).decode()
            if text != f"{OURS} ":  # the space is no part of the value
                assert OURS not in answer, text
        twice = [("X-Request-Id", OURS), ("X-Request-Id", OURS)]
        assert id_of(behind.call("GET", "/livez", headers=twice)) != OURS


def test_at_debug_the_address_is_the_clients(
    tmp_path_factory: pytest.TempPathFactory, written: Written
) -> None:
    """Whoever sets up a proxy sees there whether its addresses are believed, for throttling and
    for /metrics alike."""
    logging.getLogger().setLevel("DEBUG")
    data = tmp_path_factory.mktemp("seen") / "data"
    with live.serving(data, trusted_proxies=("127.0.0.1",)) as behind:
        written.forget()
        behind.call("GET", "/livez", headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.9"})
        line = next(each for each in written.lines(1) if each["event"] == "request")
    assert (line["level"], line["address"]) == ("debug", "203.0.113.9")
