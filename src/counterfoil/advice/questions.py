"""What is asked before anything is advised: each question, its choices, and why it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: `value` is what a form sends and a flag takes, `text` what people read."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question. id: the name of the form's field, and of the flag."""

    id: str
    text: str
    why: str
    choices: tuple[Choice, ...]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(choice.value for choice in self.choices)

    def text_of(self, value: str) -> str:
        """What people read for a choice. Raises `KeyError` for none of them."""
        return {choice.value: choice.text for choice in self.choices}[value]


QUESTIONS: Final = (
    Question(
        "people",
        "What is signed in?",
        "It decides what carries the credential: a cookie that no script can read, or a header.",
        (
            Choice("browser", "our own web application, in browsers"),
            Choice("mobile", "our own mobile or desktop app"),
            Choice("both", "both of these"),
            Choice("programs", "programs: a partner's, a job, a device"),
        ),
    ),
    Question(
        "verifiers",
        "Whose services check the credential?",
        "A verifier that knows only JWTs learns of nothing before a token expires; one of"
        " another team should not be able to manage an account with what it is shown.",
        (
            Choice("ours", "our own, of one team"),
            Choice("teams", "also other teams' or domains', where a Counterfoil Verifier can run"),
            Choice("foreign", "also some that know only JWTs: a partner, a gateway"),
        ),
    ),
    Question(
        "services",
        "How many services check it?",
        "One that has the record at hand reads it; others would have to ask over the network.",
        (
            Choice("one", "one, which also signs people in"),
            Choice("few", "2 to 10"),
            Choice("many", "more than 10"),
        ),
    ),
    Question(
        "ban",
        "How soon must a ban or a sign-out bite?",
        "This is L, the time that a revoked credential lives on; only a read of the record makes"
        " it nought.",
        (
            Choice("now", "at the very next check"),
            Choice("seconds", "within seconds"),
            Choice("minutes", "within minutes"),
        ),
    ),
    Question(
        "offline",
        "Must checks go on while the issuer cannot be reached?",
        "A verifier that is cut off hears of no ban: the longer it may go on, the later one bites.",
        (
            Choice("no", "no: they may be refused meanwhile"),
            Choice("blips", "yes, for up to a minute"),
            Choice("long", "yes, for up to an hour"),
            Choice("always", "yes, for hours: it is hardly ever online"),
        ),
    ),
    Question(
        "rate",
        "How many checks a second, all services together?",
        "A look-up is cheap in a file on the same machine, and a round trip in a database server.",
        (
            Choice("tens", "up to 100"),
            Choice("hundreds", "up to 1,000"),
            Choice("thousands", "more than 1,000"),
        ),
    ),
    Question(
        "claims",
        "How much must a check know about whoever is signed in?",
        "What stands in a token travels with every request, and a cookie has a largest size.",
        (
            Choice("small", "an id and some roles"),
            Choice("large", "1 kB or more"),
        ),
    ),
    Question(
        "store",
        "What can keep the records?",
        "Without a record there is nothing to revoke, to renew or to list.",
        (
            Choice("none", "nothing: no database is wanted"),
            Choice("file", "a file on the disk of one machine"),
            Choice("shared", "a PostgreSQL that is run already"),
        ),
    ),
)
