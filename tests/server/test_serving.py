from __future__ import annotations

import subprocess
import sys

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
