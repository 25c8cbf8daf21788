"""A wall clock that a test sets, for one process and those that it starts; no other clock of it
moves, and nothing else on the machine notices.

libfaketime cannot be used here: told to leave the other clocks alone, it breaks the sleep of
Python 3.11.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SHIM: Final = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *seconds;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("WALL_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(0, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) seconds = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *seconds;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (also) *also = exact.tv_sec;
    return exact.tv_sec;
}
"""


@dataclass(frozen=True, slots=True)
class WallClock:
    """environment: of a process that is to have it."""

    _file: Path
    environment: dict[str, str]

    def set(self, seconds: int) -> None:
        """So many seconds ahead of the machine's."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
            page[:8] = struct.pack("q", seconds)


def wall_clock(folder: Path) -> WallClock:
    """One that is right. Without a C compiler on Linux the test skips aloud."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("NOT TESTED with moved clocks: that takes Linux and a C compiler (apt: gcc).")
    source, library, file = (folder / name for name in ("wall.c", "wall.so", "wall"))
    source.write_text(SHIM)
    file.write_bytes(bytes(mmap.PAGESIZE))
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    preloaded = os.pathsep.join(filter(None, (str(library), os.environ.get("LD_PRELOAD"))))
    return WallClock(file, {"LD_PRELOAD": preloaded, "WALL_CLOCK": str(file)})
