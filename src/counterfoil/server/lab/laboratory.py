"""The lab of one server: one bench at most, one experiment on it at a time, and nothing left of it
once nobody uses it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from counterfoil.server.lab.bench import Bench
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.seen import Experiment, Note, Seen, Verdict, seconds
from counterfoil.server.passwords.argon2id import RECOMMENDED, HashProfile

UNUSED: Final = 120.0  # seconds until the bench is taken down
MOST_AT_ONCE: Final = 4  # one goes on, the others wait
_LOOK_EVERY: Final = 1.0
_BUSY: Final = Verdict(
    "failed", "The lab is busy.", "Others wait for it already: try again in a minute."
)
_STOPPING: Final = Verdict("failed", "The server stops.", "The experiment ended with it.")


class Laboratory:
    """Runs experiments. profile: what its servers spend on a password; whoever has a lab gives its
    own. unused: for how many seconds the bench is kept for the next one."""

    def __init__(self, profile: HashProfile = RECOMMENDED, *, unused: float = UNUSED) -> None:
        self._profile = profile
        self._unused = unused
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._begun = 0
        self._bench: Bench | None = None
        self._used_at = 0.0
        self._is_stopping = False

    @property
    def bench(self) -> Bench | None:
        """The one that stands, if one does."""
        return self._bench

    def run(self, experiment: Experiment) -> Iterator[Seen]:
        """What there is to see, as it happens. Never raises; whatever was begun is put in order,
        however it ends."""
        with self._counting:
            if self._begun >= MOST_AT_ONCE:
                yield _BUSY
                return
            self._begun += 1
        try:
            if not self._turn.acquire(blocking=False):
                yield Note("Another experiment is under way. This one begins once it has ended.")
                while not self._turn.acquire(timeout=_LOOK_EVERY):
                    if self._is_stopping:
                        yield _STOPPING
                        return
            try:
                yield from self._run(experiment)
            finally:
                self._used_at = time.monotonic()
                self._turn.release()
        finally:
            with self._counting:
                self._begun -= 1

    def _run(self, experiment: Experiment) -> Iterator[Seen]:
        try:
            if self._bench is None:
                yield Note("Starting a scratch server with a store of its own …")
                self._bench = Bench(self._profile)
                yield Note(f"It answers after {seconds(self._bench.started_in)}.")
            for each in experiment.run(self._bench):
                yield each
                if self._is_stopping:
                    yield _STOPPING
                    return
        except Exception as why:  # noqa: BLE001 - the page has begun, and is owed an end
            said = str(why) if isinstance(why, NotAsSaid) else f"{type(why).__name__}."
            self._take_down()  # whatever is wrong with it does not meet the next experiment
            yield Verdict("failed", "This was not as said.", said)

    def release(self) -> None:
        """Runs end at their next step."""
        self._is_stopping = True

    async def keep(self) -> None:
        """Takes the bench down once it is unused; to be cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            if self._bench is not None and time.monotonic() - self._used_at > self._unused:
                await asyncio.to_thread(self._take_down_unused)

    def close(self) -> None:
        """Ends all that was started. No experiment begins after that."""
        self._is_stopping = True
        self._take_down()

    def _take_down_unused(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._take_down()
            finally:
                self._turn.release()

    def _take_down(self) -> None:
        bench, self._bench = self._bench, None
        if bench is not None:
            with suppress(OSError):
                bench.close()
