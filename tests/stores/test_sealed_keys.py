"""Keys that nodes share in their store, sealed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, KeysStale, NotFound
from counterfoil.keys import SigningKeySet
from counterfoil.status_change import Position
from counterfoil.stores.postgres import PostgresStore
from counterfoil.stores.sealed_keys import Seal, SealedKeys
from counterfoil.testing import FrozenClock
from forging import KEYS
from postgresql import new_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from counterfoil.stores.rows import Rows, Transaction

SECRET: Final = "otters juggle nine brass lanterns"
OTHER: Final = "walruses knit seven paper anchors"
HOUR: Final = timedelta(hours=1)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresStore]:
    with new_schema() as url:
        store = PostgresStore(url).blocking()
        yield store
        drive(store.close())


@pytest.fixture
def rows(database: PostgresStore) -> Rows:
    async def forget(transaction: Transaction) -> None:
        await transaction.run("DELETE FROM cf_keys")

    drive(database.rows.transaction(forget))
    return database.rows


def node(rows: Rows, folder: Path, *secrets: str, clock: FrozenClock | None = None) -> SealedKeys:
    seal = Seal.of(secrets or (SECRET,))
    return SealedKeys(rows, seal=seal, folder=folder, clock=clock or FrozenClock())


def rotated(clock: FrozenClock) -> Callable[[SigningKeySet], SigningKeySet]:
    return lambda keys: keys.rotate("ES256", now=clock.now())


def test_nodes_that_begin_at_once_make_the_keys_once(rows: Rows, tmp_path: Path) -> None:
    """Whoever is first makes them, and all have the same."""
    nodes = [node(rows, tmp_path / str(number)) for number in range(4)]
    threads = [threading.Thread(target=each.refresh) for each in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.signing_keys().to_json() for each in nodes}) == 1
    assert len({each.handle_secrets().versions[0] for each in nodes}) == 1


def test_a_node_does_not_examine_the_keys_that_it_made(
    rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what others made is read with suspicion."""
    monkeypatch.setattr(SigningKeySet, "generate", lambda *, now: KEYS)  # noqa: ARG005 - a clock's
    maker, other = node(rows, tmp_path / "maker"), node(rows, tmp_path / "other")
    made, found = maker.signing_keys(), other.signing_keys()
    assert made.to_json() == found.to_json()
    assert {id(key.material) for key in made.keys} == {id(key.material) for key in KEYS.keys}
    assert {id(key.material) for key in made.keys}.isdisjoint(id(k.material) for k in found.keys)


def test_a_change_at_one_node_is_known_at_another_with_its_next_look(
    rows: Rows, tmp_path: Path
) -> None:
    """And what has not changed is the same object, so that what was verified stays cached."""
    clock = FrozenClock()
    one, two = node(rows, tmp_path, clock=clock), node(rows, tmp_path, clock=clock)
    before = two.signing_keys()
    clock.advance(HOUR / 2)
    changed = one.update(rotated(clock))
    assert one.signing_keys() == changed
    assert two.signing_keys() is before
    two.refresh()
    assert two.signing_keys() == changed
    kept = two.signing_keys()
    two.refresh()
    assert two.signing_keys() is kept


def test_two_changes_at_once_are_both_made(rows: Rows, tmp_path: Path) -> None:
    """None is made of what another one has just replaced."""
    clock = FrozenClock()
    nodes = [node(rows, tmp_path, clock=clock) for _ in range(4)]
    kids = [key.kid for key in nodes[0].signing_keys().keys][:4]
    threads = [
        threading.Thread(
            target=each.update, args=(lambda keys, kid=kid: keys.distrust(kid, now=clock.now()),)
        )
        for each, kid in zip(nodes, kids, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    nodes[0].refresh()
    distrusted = {key.kid for key in nodes[0].signing_keys().keys if key.state == "distrusted"}
    assert distrusted >= set(kids)


def test_a_change_that_fails_changes_nothing(rows: Rows, tmp_path: Path) -> None:
    """Its error is passed on."""
    clock = FrozenClock()
    keys = node(rows, tmp_path, clock=clock)
    before = keys.signing_keys()
    with pytest.raises(NotFound):
        keys.update(lambda found: found.distrust("nobody", now=clock.now()))
    keys.refresh()
    assert keys.signing_keys() == before


def test_the_database_shows_nothing_of_them(rows: Rows, tmp_path: Path) -> None:
    """Neither a private key nor K; and the same keys are never sealed alike."""
    keys = node(rows, tmp_path)
    secret = keys.handle_secrets().versions[0]
    sealed: dict[str, bytes] = dict(drive(rows.all("SELECT name, sealed FROM cf_keys")))
    kept = b"".join(sealed.values())
    for known in (secret, b"versions", b"kid", b'"d"', b"BEGIN", keys.signing_keys().keys[0].kid):
        assert (known if isinstance(known, bytes) else known.encode()) not in kept
    seal = Seal.of([SECRET])
    assert seal.close("signing keys", "{}") != seal.close("signing keys", "{}")
    assert SECRET not in repr(seal)


def test_another_secret_opens_nothing(rows: Rows, tmp_path: Path) -> None:
    """It says what to do, and replaces nothing: they may be the only copy."""
    keys = node(rows, tmp_path)
    before = keys.signing_keys()
    with pytest.raises(ConfigurationError, match="same secret file"):
        node(rows, tmp_path, OTHER).refresh()
    keys.refresh()
    assert keys.signing_keys() == before


def test_a_new_secret_is_given_to_one_node_after_the_other(rows: Rows, tmp_path: Path) -> None:
    """Each opens what the other has sealed, until the former one is taken away."""
    clock = FrozenClock()
    one = node(rows, tmp_path, SECRET, OTHER, clock=clock)
    two = node(rows, tmp_path, OTHER, SECRET, clock=clock)
    one.refresh()
    two.refresh()
    clock.advance(HOUR / 2)
    changed = two.update(rotated(clock))
    one.refresh()
    assert one.signing_keys() == changed
    secrets = one.handle_secrets().versions
    node(rows, tmp_path, OTHER, SECRET, clock=clock).refresh()  # the last one to begin so
    alone = node(rows, tmp_path, OTHER, clock=clock)
    assert alone.signing_keys() == changed
    assert alone.handle_secrets().versions == secrets


def test_what_is_sealed_cannot_stand_in_for_another_thing(rows: Rows, tmp_path: Path) -> None:
    """Who can write to the database puts K, which they may know, where the keys belong."""
    node(rows, tmp_path).refresh()

    async def swap(transaction: Transaction) -> None:
        await transaction.run(
            "UPDATE cf_keys SET version = 2, sealed = (SELECT sealed FROM cf_keys WHERE name ="
            " 'handle secrets') WHERE name = 'signing keys'"
        )

    drive(rows.transaction(swap))
    with pytest.raises(ConfigurationError):
        node(rows, tmp_path).refresh()


def test_keys_that_could_not_be_read_for_an_hour_are_relied_on_no_longer(
    rows: Rows, tmp_path: Path
) -> None:
    """As those of files."""
    clock = FrozenClock()
    keys = node(rows, tmp_path, clock=clock)
    assert keys.public_keys()
    clock.advance(HOUR - timedelta(seconds=1))
    assert keys.public_keys()
    assert keys.age() == 3599
    clock.advance(timedelta(seconds=1))
    with pytest.raises(KeysStale):
        keys.public_keys()
    keys.refresh()
    assert keys.public_keys()


@pytest.mark.parametrize("secrets", [(), ("short",), (SECRET, "short")])
def test_a_secret_that_could_be_guessed_is_refused(secrets: tuple[str, ...]) -> None:
    """Whoever has the database tries them all, at leisure."""
    with pytest.raises(ConfigurationError, match="openssl rand"):
        Seal.of(secrets)


def test_secrets_are_lines_of_a_file(tmp_path: Path) -> None:
    """Blank ones do not count; a file that cannot be read is named."""
    place = tmp_path / "secret"
    place.write_text(f"\n{SECRET}\n\n{OTHER}\n")
    sealed = Seal.of([SECRET]).close("k", "content")
    assert Seal.in_file(place).open("k", sealed) == b"content"
    with pytest.raises(ConfigurationError, match="nowhere"):
        Seal.in_file(tmp_path / "nowhere")


def test_how_far_the_store_has_come_is_noted_on_this_node(rows: Rows, tmp_path: Path) -> None:
    """In the database it would be put back with everything else."""
    keys = node(rows, tmp_path / "one")
    keys.reach(Position("abc-1", 7))
    assert keys.reach(Position("abc-1", 5)) == Position("abc-1", 7)
    assert node(rows, tmp_path / "two").reach(Position("abc-1", 5)) == Position("abc-1", 5)
