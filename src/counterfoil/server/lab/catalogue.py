"""The experiments, in the order in which a reader meets them."""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.server.lab import how_each_works
from counterfoil.server.lab.seen import Experiment
from counterfoil.server.lab.theft import altered, copied, fixated, forged, raced, replayed
from counterfoil.server.lab.tradeoffs import (
    add_claims,
    another_service,
    change_role,
    cut_off,
    many_requests,
    revoke,
    take_store_away,
    two_nodes,
)


class Part(NamedTuple):
    """Experiments that belong together."""

    title: str
    text: str
    experiments: tuple[Experiment, ...]


PARTS: Final = (
    Part(
        "How each works",
        "Begin here: what travels, and what is looked up.",
        (how_each_works.EXPERIMENT,),
    ),
    Part(
        "The trade-offs",
        "What each gives, and what it costs. Every number is measured while you look.",
        (
            revoke.EXPERIMENT,
            change_role.EXPERIMENT,
            add_claims.EXPERIMENT,
            take_store_away.EXPERIMENT,
            cut_off.EXPERIMENT,
            another_service.EXPERIMENT,
            many_requests.EXPERIMENT,
            two_nodes.EXPERIMENT,
        ),
    ),
    Part(
        "Theft",
        "What somebody can do who should not. Each shows the defence, or says that there is none.",
        (
            copied.EXPERIMENT,
            replayed.EXPERIMENT,
            raced.EXPERIMENT,
            fixated.EXPERIMENT,
            forged.EXPERIMENT,
            altered.EXPERIMENT,
        ),
    ),
)
BY_SLUG: Final = {each.slug: each for part in PARTS for each in part.experiments}
