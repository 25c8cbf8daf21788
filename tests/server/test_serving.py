from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from counterfoil.errors import NotFound
from counterfoil.server.accounts import Accounts
from counterfoil.server.composition import compose
from counterfoil.server.passwords.hashing import CHEAPEST, PasswordHasher
from counterfoil.server.serving import demo_account
from counterfoil.server.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PROGRAM = """
import gc
from counterfoil.server.serving import collect_seldom

collect_seldom()
before = [each["collections"] for each in gc.get_stats()]
kept = [[] for _ in range(5_000)]  # some verifiers that wait
after = [each["collections"] for each in gc.get_stats()]
print(gc.get_freeze_count() > 10_000, before == after)
"""


def test_what_waits_is_not_looked_at_by_the_collector_again_and_again() -> None:
    """Once a server answers, what is loaded is no garbage any more; and thousands of objects may
    come and stay before the collector, which stops everybody, looks at them."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True True\n"


async def test_a_demo_account_that_another_node_has_just_made_is_that_node_s_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found none; the second one has no password for it, and keeps none."""
    settings = Settings(dev=True, data=tmp_path)
    server = await compose(settings, hasher=PasswordHasher(CHEAPEST, threads=1))
    assert await demo_account(server)
    (tmp_path / "demo-password").unlink()

    async def none_yet(*_: Any) -> None:
        raise NotFound

    monkeypatch.setattr(Accounts, "by_identifier", none_yet)
    assert await demo_account(server) is None
    assert not (tmp_path / "demo-password").exists()
    await server.close()
