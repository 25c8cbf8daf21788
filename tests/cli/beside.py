"""Commands run beside a server that keeps something elsewhere, as its settings say."""

from __future__ import annotations

from typing import NamedTuple

import live
from cli.terminal import Said, Terminal


class Beside(NamedTuple):
    """A server, and what of its environment its commands are given."""

    site: live.Site
    environment: dict[str, str]

    def run(self, *arguments: str, **more: str) -> Said:
        data = str(self.site.data)
        terminal = Terminal(self.site.data.parent)
        return terminal(*arguments, "--data", data, env={**self.environment, **more})


def ends_at_once(beside: Beside) -> str:
    """The code with which a session is refused that a command has ended."""
    device = beside.site.person().sign_in("web")
    assert device.session_id in beside.run("sessions", "list", "--json").out
    ended = beside.run("sessions", "revoke", device.session_id)
    assert ended.code == 0, ended.err
    return device.who().code


def declares_a_restore(beside: Beside) -> int:
    """The status of somebody who has signed in after a restore that ended all sessions."""
    device = beside.site.person().sign_in("web")
    said = beside.run("restore", "--declare", "--json")
    assert said.code == 0, said.err
    live.until(lambda: device.who().code == "session_revoked", patience=5)
    return beside.site.person().sign_in("web").who().status
