"""The rules: one table, read from the top.

The first row that fits and names a strategy chooses it; then `strategy` counts as an answer too.
For each setting the first row that fits sets it. Every other row that fits says what it costs,
what cannot be had, or what to know besides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from counterfoil.advice import sources as of
from counterfoil.advice.rule import Chosen, Settings, chooses, says, sets, when

RULES: Final = (
    # Which strategy: the first row that fits.
    chooses(
        "hardly-online",
        when(offline="always"),
        Chosen(
            "jwt",
            "A machine that is offline can know who signed something, and can know no news:"
            " so it gets a signed token, whose life is as short as the work allows.",
        ),
        "A verifier that asks nobody can check a signature, and nothing else.",
        of.KINDS_OF_TOKEN,
        of.CUT_OFF,
    ),
    chooses(
        "foreign-and-banned",
        when(verifiers="foreign", ban="now seconds"),
        Chosen(
            "hybrid",
            "To their verifiers it is a plain JWT that soon expires; ours also see one bit, and"
            " refuse within seconds.",
        ),
        "Verifiers that know only JWTs take the token as one; each Counterfoil verifier refuses it"
        " within L of its revocation.",
        of.BOUND,
        of.OTHER_VERIFIERS,
    ),
    chooses(
        "banned-at-once",
        when(ban="now"),
        Chosen(
            "session",
            "If a ban must hold at the very next request, something has to look at the record at"
            " the very next request: that is a session.",
        ),
        "Only a check that reads the record can refuse at the next use. Standards ask for a"
        " session, or for the same look-up by another name.",
        of.TERMINATION,
        of.REVOKING_TOKENS,
        of.SHORT_VERSION,
    ),
    chooses(
        "no-record",
        when(people="programs", store="none", ban="minutes"),
        Chosen(
            "jwt",
            "We keep nothing, so we can take nothing back: each token is good for five minutes,"
            " and that is our answer to a stolen one.",
        ),
        "Programs fetch a new token where people would have to sign in again, so nothing needs to"
        " be kept.",
        of.STORELESS,
    ),
    chooses(
        "long-interruption",
        when(offline="long", ban="minutes"),
        Chosen(
            "jwt",
            "The checks have to outlive the issuer for an hour, so revocation waits for an hour:"
            " that is one decision, and not two.",
        ),
        "It goes on to its expiry without the issuer; hybrid goes on for 60 s at most.",
        of.CUT_OFF,
    ),
    chooses(
        "foreign",
        when(verifiers="foreign"),
        Chosen(
            "jwt",
            "Their gateway knows JWTs and nothing of us, so they get a JWT; its lifetime is what"
            " we give a thief, and we said so.",
        ),
        "Verifiers that know only JWTs learn of nothing before it expires; minutes are allowed.",
        of.SHORT_VERSION,
        of.TYPE_OF_TOKENS,
    ),
    chooses(
        "large-claims",
        when(
            claims="large", verifiers="ours", services="one few", offline="no", rate="tens hundreds"
        ),
        Chosen(
            "session",
            "What a check must know is larger than what a request should carry, so the request"
            " carries a reference.",
        ),
        "What is kept beside the record costs no byte on the wire, and is as it is now.",
        of.KINDS_OF_TOKEN,
        of.SIZE_OF_COOKIES,
    ),
    chooses(
        "several-teams",
        when(verifiers="teams"),
        Chosen(
            "hybrid",
            "Other teams verify alone, with our public keys, and a ban still reaches them in a"
            " moment.",
        ),
        "They need the issuer's URL and no access to its database, and a check asks nobody.",
        of.BOUND,
        of.HYBRID_COSTS,
    ),
    chooses(
        "several-services",
        when(services="few many"),
        Chosen(
            "hybrid",
            "A session would make every call of every service wait for one database; this makes"
            " none of them wait, and a ban takes seconds.",
        ),
        "A session would cost each check of each service a request to the issuer; this costs it"
        " one bit in memory.",
        of.MEASURED,
        of.HYBRID_COSTS,
    ),
    chooses(
        "interrupted",
        when(offline="blips long"),
        Chosen(
            "hybrid",
            "It rides out a restart of the database, and it still says no by itself when it has"
            " heard nothing for too long.",
        ),
        "It goes on for L without the store; a session refuses at once.",
        of.CUT_OFF,
    ),
    chooses(
        "many-checks-of-a-server",
        when(rate="thousands", store="shared"),
        Chosen(
            "hybrid",
            "Thousands of checks a second should not be thousands of questions to a database that"
            " has other work.",
        ),
        "Each check of a session is a look-up in a database server, about 0.3 ms alone; a known"
        " token costs some microseconds and asks nobody.",
        of.MEASURED,
        of.MEANING,
    ),
    chooses(
        "one-application",
        when(),
        Chosen(
            "session",
            "One application with one database: a session is the simplest, it ends when we say so,"
            " and a JWT would save us a look-up of microseconds.",
        ),
        "A look-up in a file on the same machine costs about 33 µs, less than to verify a new ES256"
        " token, and one in PostgreSQL about 0.3 ms; revocation is instant.",
        of.SHORT_VERSION,
        of.MEANING,
    ),
    # Settings: for each the first row that fits.
    sets(
        "a-shift",
        when(strategy="jwt", offline="always"),
        Settings(access=timedelta(hours=12), keys_max_age=timedelta(days=1)),
        "A token has to last from one connection to the next: here a working day. A verifier"
        " relies on keys for a day at most.",
        of.CUT_OFF,
    ),
    sets(
        "an-hour",
        when(strategy="jwt", offline="long"),
        Settings(access=timedelta(hours=1)),
        "A token has to outlive the interruption; an hour is also the most that the standard of"
        " bearer tokens recommends, and for which a verifier relies on its keys.",
        of.SHORT_LIVED,
        of.CUT_OFF,
    ),
    sets(
        "short-elsewhere",
        when(strategy="hybrid", verifiers="foreign"),
        Settings(access=timedelta(minutes=1)),
        "For verifiers that know only JWTs the access lifetime is the bound, so it is a minute;"
        " clients refresh as often.",
        of.REVOKING_TOKENS,
        of.OTHER_VERIFIERS,
    ),
    sets(
        "as-fresh-as-it-may",
        when(strategy="hybrid", ban="now"),
        Settings(max_staleness=timedelta(seconds=1)),
        "A second is the shortest bound that a verifier can keep; 700 that poll for it leave a"
        " server process little time for anything else.",
        of.BOUND,
        of.FEED_MEASURED,
    ),
    sets(
        "as-long-as-it-may",
        when(strategy="hybrid", offline="blips long", ban="seconds minutes"),
        Settings(max_staleness=timedelta(seconds=60)),
        "`max_staleness` is how long checks go on without the issuer, 60 s at most with any"
        " client. It is also how late a ban may come then, and only then.",
        of.BOUND,
    ),
    sets(
        "own-devices",
        when(people="browser mobile both", verifiers="ours"),
        Settings(manage=True),
        "`manage`: people may list and end their own sessions with it.",
        of.TERMINATION,
    ),
    # What it costs.
    says(
        "a-read-each-time",
        "costs",
        when(strategy="session"),
        "Each check reads the record, and where the store is away each check answers 503.",
        of.SESSION_CANNOT,
        of.MEASURED,
    ),
    says(
        "a-request-each-time",
        "costs",
        when(strategy="session", services="few many"),
        "Services without the record ask the issuer at each check: about 0.25 ms of it on one"
        " machine, and none of them checks without it.",
        of.MEASURED,
        of.PROXIES,
    ),
    says(
        "bytes-and-a-thread",
        "costs",
        when(strategy="hybrid"),
        "About 600 bytes with each request; in each process that checks one thread, one connection"
        " and a copy of the bits: 256 KiB for a million sessions of the last hour.",
        of.HYBRID_COSTS,
        of.FEED_MEASURED,
    ),
    says(
        "lives-on",
        "costs",
        when(strategy="jwt"),
        "Nobody can call it back: a ban, a sign-out and other roles wait for its expiry. About 550"
        " bytes with each request.",
        of.JWT_CANNOT,
    ),
    says(
        "nothing-renews-it",
        "costs",
        when(strategy="jwt", people="programs", store="none"),
        "Nothing is kept, so there is no refresh, no list of devices, and to revoke is answered"
        " `not_revocable`.",
        of.STORELESS,
    ),
    says(
        "large-on-the-wire",
        "costs",
        when(strategy="hybrid jwt", claims="large"),
        "Claims of 1 kB or more travel with every request, and a cookie has at most 4096 bytes:"
        " put ids into the token, and read the rest where it is used.",
        of.SIZE_OF_COOKIES,
    ),
    # What was asked for and cannot be had.
    says(
        "no-news-offline",
        "conflicts",
        when(offline="always", ban="now seconds"),
        "Who is cut off cannot hear of a ban, whatever is installed there. The token's life is the"
        " only bound: shorten it, or bring the verifier online.",
        of.CUT_OFF,
    ),
    says(
        "long-life",
        "conflicts",
        when(offline="always", ban="minutes"),
        "Hours without the issuer are hours without news of a ban. The standard of bearer tokens"
        " recommends an hour at most.",
        of.SHORT_LIVED,
    ),
    says(
        "at-once-and-cut-off",
        "conflicts",
        when(ban="now", offline="blips long"),
        "At once and without the issuer exclude each other: here checks stop while it is away."
        " With `--ban seconds` they would go on for up to a minute.",
        of.CUT_OFF,
    ),
    says(
        "an-hour-and-seconds",
        "conflicts",
        when(strategy="hybrid", offline="long", ban="seconds"),
        "A ban within seconds and an hour without news exclude each other: checks go on for 60 s"
        " at most, then they answer 503 until the issuer is back.",
        of.BOUND,
    ),
    says(
        "at-once-elsewhere",
        "conflicts",
        when(verifiers="foreign", ban="now", offline="no blips long"),
        "A verifier that knows only JWTs cannot know at once. Those that can ask have"
        " introspection, which answers by the record at each call.",
        of.ASKING_THE_ISSUER,
        of.INTROSPECTING,
    ),
    says(
        "lists-elsewhere",
        "notes",
        when(strategy="hybrid", verifiers="foreign", ban="seconds"),
        "Foreign verifiers that know the IETF Token Status List can read it themselves: they are a"
        " minute late at most. What caches an introspection is as late as its cache.",
        of.LISTS_ALONE,
        of.STATUS_LISTS,
        of.ASKED_LATELY,
    ),
    says(
        "a-ban-is-kept-somewhere",
        "conflicts",
        when(store="none", ban="now seconds", offline="no blips long"),
        "A ban has to be kept somewhere. SQLite is one file that Counterfoil makes itself; nothing"
        " has to be run for it.",
        of.WHICH_STORE,
    ),
    says(
        "signed-in-is-kept-somewhere",
        "conflicts",
        when(store="none", ban="minutes", people="browser mobile both"),
        "Whoever shall stay signed in for longer than a token lives needs a record. SQLite is one"
        " file that Counterfoil makes itself; nothing has to be run for it.",
        of.STORELESS,
        of.WHICH_STORE,
    ),
    # What to know besides.
    says(
        "no-script-reads-it",
        "notes",
        when(people="browser both"),
        "In a browser it belongs into a cookie that no script can read, never into its storage. The"
        " cookie is this host's alone: a call to another host goes through the site's server.",
        of.SESSION_SECRETS,
        of.COOKIES,
    ),
    says(
        "one-audience",
        "notes",
        when(verifiers="teams foreign"),
        "Give each group of services an audience of its own, and no client that they are shown may"
        " manage accounts: what one of them is sent could be sent on.",
        of.ONE_AUDIENCE,
    ),
    says(
        "only-where-it-matters",
        "notes",
        when(ban="now", services="few many", verifiers="ours teams", offline="no blips long"),
        "If only some calls need it at once, such as a payment: take hybrid (`--ban seconds`), and"
        " ask with `Verifier.confirm` there.",
        of.CONFIRMING,
    ),
    says(
        "some-want-jwt",
        "notes",
        when(verifiers="foreign"),
        "Tokens say `at+jwt`, as the standard has it. Where a consumer insists on `JWT`, add"
        " `--typ JWT`.",
        of.TYPE_OF_TOKENS,
    ),
    says(
        "session-timeouts",
        "notes",
        when(ban="now", people="browser mobile both", offline="no blips long"),
        "A session lasts 30 days, unused 7. NIST's second level wants at most 24 hours and 1 hour:"
        " `--absolute 24h --idle 1h`.",
        of.TIMEOUTS,
    ),
)
