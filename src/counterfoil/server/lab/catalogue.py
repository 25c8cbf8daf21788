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


class Question(NamedTuple):
    """What a reader wants to know. slugs: the experiments that show it."""

    question: str
    answer: str
    slugs: tuple[str, ...]


QUESTIONS: Final = (
    Question(
        "Where does the state live?",
        "session: in a record of the store. jwt: in the token. hybrid: in the token, and one bit"
        " about it in the memory of whoever checks.",
        ("how-each-works",),
    ),
    Question(
        "What is looked up for each request?",
        "session: the record. jwt: nothing. hybrid: the bit, in memory, and nothing of the store.",
        ("many-requests",),
    ),
    Question(
        "What happens on sign-out?",
        "session and hybrid are refused at the next request; where the network is broken, hybrid"
        " after L. A jwt goes on until it expires.",
        ("revoke",),
    ),
    Question(
        "Why is a role stale, and for how long?",
        "A token holds a copy. hybrid is told when it is old; jwt keeps it until it expires.",
        ("change-a-role",),
    ),
    Question(
        "What travels, and how large is it?",
        "session: a handle of 63 characters, whatever it stands for. jwt and hybrid: a token, of"
        " 400 to 600 at first, which grows with what it says.",
        ("add-claims",),
    ),
    Question(
        "What if the store is down, or the network?",
        "session refuses at once, hybrid after L, jwt as the token expires. None lets anybody in.",
        ("take-the-store-away", "cut-the-verifier-off"),
    ),
    Question(
        "Can another company's service verify it?",
        "jwt and hybrid: with the public keys alone, and then without a word of sign-outs until it"
        " expires. A session means nothing elsewhere.",
        ("another-service", "two-nodes"),
    ),
    Question(
        "What can a thief do?",
        "Use it, until it is ended or expires, and nobody notices by itself. A stolen token is good"
        " for minutes; a session for as long as it is used, unless somebody ends it. Only session"
        " and hybrid can be taken back at once. A stolen refresh handle is noticed.",
        ("copied", "replayed", "raced"),
    ),
    Question(
        "What can an attacker do who has stolen nothing?",
        "Neither plant a session, nor send a request in somebody's name, nor change a token.",
        ("fixated", "forged", "altered"),
    ),
)
