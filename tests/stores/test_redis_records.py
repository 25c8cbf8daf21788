"""Records in Redis beside those of the version before, which kept no addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from counterfoil.session import StatusIndex
from counterfoil.stores.redis.records import session_of, session_record
from counterfoil.testing.records import HOUR, NOW, a_session

SESSION: Final = a_session(
    device="Firefox on Linux",
    claims={"roles": ["editor"]},
    spent_at=(NOW,),
    generation=1,
    indices=(StatusIndex("a", 5, 0, NOW + HOUR),),
    access_until=NOW + HOUR,
)
# As that version wrote it.
BEFORE: Final = (
    bytes.fromhex(
        "0000000000000000000000010000117d707a4bcf3500000006757365722d3100"
        "117d707a4bcf3500117d707a4bcf3500117d8498232f3500000000d693a40000"
        "000000000000000000000100117d7150df7335800000000000000020"
    )
    + bytes(32)
    + b'["web","Firefox on Linux",null,[4922996645678901],{"roles":["editor"]},'
    b'[["a",5,0,4923000245678901]]]'
)


def test_a_record_of_the_version_before_is_read() -> None:
    """All of it, and no address."""
    assert session_of(SESSION.id, BEFORE, 0, b"") == SESSION


def test_the_version_before_finds_all_that_it_knows_where_it_was() -> None:
    """A node that is not upgraded yet passes over what comes after."""
    written = session_record(replace(SESSION, address="203.0.113.9"))
    assert written.startswith(BEFORE[:-1])
    assert written[len(BEFORE) - 1 :] == b',"203.0.113.9"]'


def test_what_a_later_version_adds_is_passed_over() -> None:
    """Nodes are upgraded one after the other then, too."""
    later = session_record(SESSION)[:-1] + b',"more",7]'
    assert session_of(SESSION.id, later, 0, b"") == SESSION
