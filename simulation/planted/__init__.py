"""Classic bugs, each a small patch of the real code, and the scenes in which each shows soonest.

A simulation that finds nothing proves nothing until it has found these.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulation.planted import at_issuers, at_verifiers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Bug:
    """what: is wrong. weights: of the scenes. seeds: within how many from 0 on it is caught. fixed:
    settings."""

    what: str
    plant: Callable[[ExitStack], None]
    weights: Mapping[str, float]
    seeds: int
    fixed: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def planted(name: str) -> Iterator[Bug]:
    """While this lasts, the bug is in the code."""
    bug = BUGS[name]
    with ExitStack() as patches:
        bug.plant(patches)
        yield bug


BUGS: Final[Mapping[str, Bug]] = {
    "receipt": Bug(
        "knowledge is as fresh as the moment at which an answer came",
        at_verifiers.freshness_from_receipt,
        {"dark": 1},
        40,
    ),
    "issuers-clock": Bug(
        "knowledge is as fresh as the issuer's clock says",
        at_verifiers.freshness_from_the_issuers_clock,
        {"wrong_clock": 1},
        15,
    ),
    "nonce": Bug(
        "an answer to another question counts",
        at_verifiers.any_nonce,
        {"replayed": 1},
        30,
        {"max_staleness": 5.0},
    ),
    "gap": Bug(
        "changes are applied over a gap", at_issuers.over_a_gap, {"behind": 1, "broken": 1}, 10
    ),
    "sequence": Bug(
        "numbers are given when a commit begins, and seen in another order",
        at_issuers.numbers_of_a_sequence,
        {"side_by_side": 1},
        60,
        {"nodes": 2, "max_staleness": 2.0},
    ),
    "read-before": Bug(
        "a node answers from a read that began before the question came",
        at_issuers.reads_from_before,
        {"deaf": 1},
        30,
        {"nodes": 2},
    ),
    "index-again": Bug("an index is given out twice", at_issuers.indices_again, {"endings": 1}, 5),
    "stale-to-valid": Bug(
        "a refresh after a claims change makes the old index valid again",
        at_issuers.stale_to_valid,
        {"return_of": 1, "traffic": 1},
        20,
    ),
    "monotonic": Bug(
        "age is counted on a clock that stands still in suspend",
        at_verifiers.uptime_without_suspend,
        {"asleep": 1},
        15,
    ),
    "late": Bug(
        "a late answer is applied over a newer one",
        at_verifiers.late_answers_count,
        {"late": 1},
        15,
    ),
    "epoch": Bug("a new epoch is read on in", at_issuers.epochs_do_not_count, {"put_back": 1}, 10),
    "distrust": Bug(
        "a key that the feed does not name stays trusted",
        at_verifiers.distrust_unheard,
        {"new_keys": 1},
        20,
    ),
    "any-list": Bug(
        "one list stands in for another",
        at_verifiers.any_list,
        {"old_lists": 1},
        30,
        {"max_staleness": 5.0},
    ),
    "fresh-lists": Bug(
        "a list makes knowledge fresh",
        at_verifiers.lists_are_fresh,
        {"old_lists": 1},
        30,
        {"max_staleness": 5.0},
    ),
    "start": Bug(
        "what came between a list and the directory is passed over",
        at_verifiers.begins_at_the_directory,
        {"old_lists": 1},
        20,
        {"max_staleness": 5.0},
    ),
    "unwitnessed": Bug(
        "a store that was put back from a copy is read on",
        at_issuers.unwitnessed,
        {"put_back": 1},
        20,
    ),
    "written-over": Bug(
        "reinstating makes stale claims valid",
        at_issuers.reinstated_means_valid,
        {"return_of": 1},
        10,
    ),
    "lost-race": Bug(
        "a commit does not expect its subject's version",
        at_issuers.subjects_are_not_expected,
        {"crossing": 1},
        30,
    ),
}
