"""A store that was used before a fork, and what both sides say of it afterwards."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

# What each side does with `store`, which has a session "before"; `commits` is how many children.
BOTH_SIDES: Final = """
children = []
for child in range(commits):
    if not (pid := os.fork()):
        code = 1
        try:
            assert drive(store.look_up("before"))
            drive(opened(store, a_session(f"child-{child}", subject=f"child-{child}")))
            if child % 2:
                drive(store.close())
            code = 0
        finally:
            os._exit(code)
    drive(opened(store, a_session(f"parent-{child}", subject="parent")))
    children.append(pid)
"""
_PROGRAM: Final = f"""
import os, sys
import counterfoil
from counterfoil.drive import drive
from counterfoil.testing.records import a_session, opened

store = getattr(counterfoil, sys.argv[1])(sys.argv[2]).blocking()
drive(opened(store, a_session("before")))
commits = 6
{BOTH_SIDES}
print([os.waitpid(pid, 0)[1] for pid in children])
names = [f"{{who}}-{{number}}" for who in ("child", "parent") for number in range(6)]
print(all(drive(store.look_up(name)) for name in names))
drive(store.close())
"""
GOOD: Final = "[0, 0, 0, 0, 0, 0]\nTrue\n"


def said_after_forks(store: str, url: str) -> str:
    """store: its public name. `GOOD`, or what went wrong."""
    command = [sys.executable, "-c", _PROGRAM, store, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
