"""Passwords, handles and tokens: in no log line, no refusal and no file."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import live
from counterfoil.server.operations import logs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest


class Told:
    """Every answer that hands out no credential, and every secret that ever was."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.secrets = {live.PASSWORD, live.WRONG, live.OTHER}

    def hear(self, *answers: live.Answer) -> None:
        for answer in answers:
            body = answer.json if answer.raw else {}
            credential = body.get("credential", {})
            self.secrets |= {credential.pop(name, "") for name in ("token", "refresh_handle")}
            headers = [pair for pair in answer.headers if pair[0] != "set-cookie"]
            self.answers.append(json.dumps([body, headers]))

    def learn(self, devices: Iterable[live.Device]) -> None:
        for device in devices:
            self.secrets |= set(device.secrets)

    def known(self) -> set[str]:
        """The secrets, and of handles and tokens the part that is secret."""
        whole = {text for text in self.secrets if text}
        return whole | {text.rpartition(".")[2] for text in whole} | {text[34:] for text in whole}


def story(site: live.Site) -> Told:
    """Everything that can be done, and much that cannot."""
    told = Told()
    person = site.person()
    devices = [person.sign_in(each) for each in ("web", "api", "partner", "spa", "kiosk", "phone")]
    told.learn(devices)
    told.hear(person.try_sign_in(password=live.WRONG), person.try_sign_in(live.WRONG[:20]))
    for device in devices:
        told.hear(device.who(), device.refresh(), device.call("GET", "/v1/sessions"))
        told.learn(devices)
        sent = {"password": live.WRONG}
        told.hear(device.call("POST", "/v1/session/step-up", sent))
        told.hear(device.call("POST", "/v1/session/step-up", {"password": live.PASSWORD}))
        told.learn(devices)
        told.hear(device.call("POST", f"/v1/session/step-up?password={live.OTHER[:6]}", sent))
        for text in device.secrets:
            told.hear(
                site.call("GET", "/v1/session", headers={"Authorization": f"Bearer {text}x"}),
                site.call("GET", "/v1/session", headers={"Cookie": f"__Host-cf_web={text}."}),
                site.call("GET", f"/v1/session?token={text}"),
                site.call("GET", f"/v1/{text}"),
                site.call("DELETE", f"/v1/sessions/{text}"),
                site.call("POST", "/v1/session/refresh", {"refresh_handle": text + "="}),
                site.call("POST", "/v1/session/refresh", {text: text}),
                site.call("POST", "/v1/sessions", {"client_id": text[:60], "password": text}),
                site.call("POST", "/v1/sessions", f'{{"{text}": {text}}}'.encode()),
                site.call("POST", "/v1/accounts", {"identifier": text[:200], "password": text}),
            )
            site.raw(f"GET /{text} HTTP/0.1\r\n{text}\r\n\r\n".encode())
    change = {"current": live.PASSWORD, "new": live.OTHER}
    told.hear(devices[0].call("POST", "/v1/account/password", {**change, "new": live.WRONG[:9]}))
    told.hear(devices[0].call("POST", "/v1/account/password", change))
    told.learn(devices)
    admin = site.administrator()
    told.learn([admin])
    told.secrets.add(site.demo_password or "")
    for path in ("accounts", "sessions", "sessions?live=false", "keys", "clients", "events"):
        told.hear(admin.call("GET", f"/v1/admin/{path}"))
    told.hear(*(device.sign_out() for device in devices))
    return told


def found(secrets: set[str], text: str) -> list[str]:
    return [secret[:12] for secret in secrets if secret and secret in text]


def test_no_answer_and_no_log_line_holds_a_secret(
    site: live.Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole story with every logger at debug: neither messages, arguments nor tracebacks."""
    with caplog.at_level(logging.DEBUG):
        told = story(site)
    lines = [caplog.text, *(str(record.__dict__) for record in caplog.records)]
    secrets = told.known()
    assert len(secrets) > 50
    assert found(secrets, "\n".join(told.answers)) == []
    assert found(secrets, "\n".join(lines)) == []


def test_no_file_and_no_line_of_a_process_holds_a_secret(tmp_path: Path) -> None:
    """A server at debug, its database, journal and keys: digests only. Only the demo account's
    password is kept, in a file of its own that says so."""
    data = tmp_path / "data"
    with live.process(data, log_level="debug") as (site, running):
        told = story(site)
        (data / "keys" / "signing-keys.json").write_text("{")  # what then goes wrong is told too
        device = live.Person(site, "demo", site.demo_password or "", "")
        told.hear(device.try_sign_in("api"))
        running.terminate()
        running.wait(live.PATIENCE)
        assert running.stdout is not None
        output = running.stdout.read()
        errors = data.with_suffix(".log").read_text()
    secrets = told.known()
    assert errors
    assert found(secrets, errors) == []
    assert found(secrets - {site.demo_password or ""}, output) == []
    for path in data.rglob("*"):
        if path.is_file() and path.name != "demo-password":
            assert found(secrets, path.read_bytes().decode("latin-1")) == [], path


def test_what_nobody_foresaw_is_told_by_its_kind_alone(
    site: live.Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug whose message holds a secret: 500 without it, and no line of ours repeats it."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError(live.PASSWORD)

    assert site.server is not None
    monkeypatch.setattr(type(site.server.accounts.rows), "by_canonical", broken)
    person = live.Person(site, "somebody", live.PASSWORD, "")
    answer = person.try_sign_in()
    assert answer.status == 500
    assert answer.json == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    ours = [record for record in caplog.records if record.name.startswith("counterfoil")]
    assert [record.getMessage() for record in ours] == ["POST /v1/sessions failed: RuntimeError"]
    assert site.call("GET", "/livez").status == 200


def test_a_traceback_is_logged_by_its_kind_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Servers log what an application raised; as this one formats it, no message is left."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    levels = {name: logging.getLogger(name).level for name in ("uvicorn", "asyncio")}
    try:
        logs.configure("debug")
        raised = RuntimeError(live.PASSWORD)
        for name in ("uvicorn.error", "counterfoil.server"):
            logging.getLogger(name).error("it failed", exc_info=raised)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    told = capsys.readouterr().err
    assert told.count("RuntimeError") == 2
    assert live.PASSWORD not in told
    assert "Traceback" not in told
