"""What the server observes of its engine: every verb, with the engine's own signatures."""

from __future__ import annotations

import inspect

from counterfoil import Counterfoil
from counterfoil.server.operations.observed import ObservedCounterfoil

# Reads, set-up, what the trail's own events count, and `reissue`, after which comes a refresh.
UNOBSERVED = {
    *("session", "sessions", "subject", "close", "require_current", "acknowledge_after"),
    *("step_up", "suspend", "reinstate", "claims_changed", "declare_restore", "reissue"),
}


def test_every_verb_is_observed_or_said_not_to_be() -> None:
    """One that is new in the engine has to be decided about here."""
    verbs = {
        name
        for name, found in vars(Counterfoil).items()
        if inspect.isfunction(found) and not name.startswith("_")
    }
    assert verbs - vars(ObservedCounterfoil).keys() == UNOBSERVED
