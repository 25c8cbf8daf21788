"""A node: `counterfoil serve` in a process of its own, which is killed and started again."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crash.calling import NONE, Answer, Away, Credential, Hanging, call
from crash.held import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


READY_WITHIN: Final = 60.0  # seconds


@dataclass
class Node:
    """arguments: what the program is given. folder: of its own; its log lies beside it."""

    name: str
    port: int
    folder: Path
    arguments: Sequence[str]
    environment: dict[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def start(self) -> None:
        """Begins to start; `wait` waits."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.arguments, "--port", str(self.port), "--data", str(self.folder)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # it tells a password there
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def wait(self) -> None:
        """Returns when it is ready. Raises `Violation` where it does not become so."""
        until = time.monotonic() + READY_WITHIN
        said = "nothing"
        while time.monotonic() < until and self._is_running:
            try:
                answer = self.call("GET", "/readyz")
            except (Away, Hanging) as why:
                said = type(why).__name__.lower()
            else:
                if answer.status == 200:
                    return
                said = str(answer)
                if "restore" in answer.body.get("next_step", ""):
                    raise Violation(f"{self.name} says that the store has lost what it had read.")
            time.sleep(0.02)
        how = "is not ready" if self._is_running else "ends by itself"
        raise Violation(f"{self.name} {how} after it was started; it said last: {said}")

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, str] | None = None,
        credential: Credential = NONE,
    ) -> Answer:
        """Raises `Away` and `Hanging`."""
        return call(self.port, method, path, body, credential)

    @property
    def _is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def environment(**settings: str) -> dict[str, str]:
    """What this process has, with these settings of Counterfoil and no others."""
    kept = {name: value for name, value in os.environ.items() if "COUNTERFOIL" not in name}
    return kept | {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
