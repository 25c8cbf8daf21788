"""What the tests of a folder share: made keys, and where verifiers are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from network import fleet as fleets
from network import issuers
from network.judging import Judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from network.fleet import Fleet
    from network.issuers import Issuer


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issuers.keys_in(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleets.fleet(tmp_path_factory.mktemp("fleet") / "logs") as fleet:
        yield fleet


@pytest.fixture
def fleet(zygote: Fleet) -> Iterator[Fleet]:
    """Verifiers that end with the test."""
    yield zygote
    zygote.end()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Issuer]:
    """A server that no test stops, with max_staleness 1 s."""
    with issuers.issuer(tmp_path_factory.mktemp("shared") / "data", made) as issuer:
        yield issuer


@pytest.fixture
def judge() -> Judge:
    return Judge()
