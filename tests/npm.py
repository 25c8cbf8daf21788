"""Packages of npm, each pinned by its digest and installed once into .tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import pytest

TOOLS: Final = Path(__file__).resolve().parent.parent / ".tools" / "node"


@dataclass(frozen=True, slots=True)
class Package:
    """A package without dependencies; `main` is the file to import, within it."""

    name: str
    version: str
    digest: str
    main: str

    def installed(self) -> Path:
        """Where its file to import is. Without node, npm or a registry the test skips, while a
        package other than the one that is pinned is a failure."""
        kept = TOOLS / f"{self.name}-{self.version}"
        library = Path("node_modules", self.name, self.main)
        if (kept / library).exists():
            return kept / library
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            pytest.skip(f"npm's {self.name} was not tried: node and npm are not on PATH")
        kept.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(dir=kept.parent))
        try:
            self._install(npm, folder)
            # Another test process may have been first.
            with suppress(OSError):
                folder.rename(kept)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return kept / library

    def _install(self, npm: str, folder: Path) -> None:
        wanted = {"dependencies": {self.name: self.version}}
        consumer = {"name": "consumer", "private": True, **wanted}
        _write(folder / "package.json", consumer)
        packages = {
            "": wanted,
            f"node_modules/{self.name}": {"version": self.version, "integrity": self.digest},
        }
        lock = {"name": "consumer", "lockfileVersion": 3, "packages": packages}
        _write(folder / "package-lock.json", lock)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        command += ["--cache", str(folder / "cache")]  # a home that cannot be written has none
        tried = f"npm's {self.name} was not tried: npm could not install it"
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, check=False, text=True, timeout=60
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{tried} within a minute")
        if "EINTEGRITY" in done.stderr:
            pytest.fail(f"{self.name} {self.version} is not the package that is pinned here")
        if done.returncode:
            why = re.findall(r"code (\w+)", done.stderr) or [f"exit {done.returncode}"]
            pytest.skip(f"{tried}: {why[0]}")


def _write(place: Path, value: Any) -> None:
    place.write_text(json.dumps(value), encoding="utf-8")
