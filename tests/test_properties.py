"""The promise, attacked at random: hypothesis plays owners, thieves, operators and the network.

Two engines share a store; two verifiers of other services hear of changes late, out of order or
not at all. A model remembers every acknowledgement, every handle and every token ever issued, and
after each step nothing may pass that was promised not to, and nothing honest may be refused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from counterfoil import BlockingCounterfoil, MemoryStore, Opened
from counterfoil.drive import drive
from counterfoil.errors import (
    ClaimsStale,
    CredentialExpired,
    RefreshReused,
    RefreshUnknown,
    SessionExpired,
    SessionRevoked,
    SessionUnknown,
    SubjectSuspended,
)
from counterfoil.status_change import status_of
from counterfoil.status_mirror import FeedGap, StatusMirror
from counterfoil.testing.clock import FrozenClock
from promises import Device, Issue, Person, Promise, Remote
from scenes import API, ISSUER, KEYS, PARTNER, PHONE, START, Roles, with_lifetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.outcome import Changed, Revoked

ACCESS: Final = timedelta(seconds=60)
GRACE: Final = timedelta(seconds=10)
MINUTE: Final = timedelta(minutes=1)
CLIENTS: Final = {
    client.client_id: with_lifetime(
        client, access=ACCESS, idle=10 * MINUTE, absolute=30 * MINUTE, grace=GRACE
    )
    for client in (PHONE, API, PARTNER)
}
SUBJECTS: Final = ("ann", "bob")


class Attack(RuleBasedStateMachine):
    """See above."""

    devices = Bundle("devices")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock(now=START)
        self.store = MemoryStore()
        self.roles = Roles({each: ["v0"] for each in SUBJECTS})
        self.engines = [
            BlockingCounterfoil(
                issuer=ISSUER,
                store=self.store,
                clients=CLIENTS.values(),
                claims=self.roles,
                keys=KEYS,
                clock=self.clock,
                window=MINUTE,
            )
            for _ in range(2)
        ]
        self.remotes = [Remote(CLIENTS), Remote(CLIENTS)]
        self.people = {each: Person() for each in SUBJECTS}
        self.all: list[Device] = []
        self.entries: dict[tuple[str, int], tuple[str, int]] = {}

    def teardown(self) -> None:
        for engine in self.engines:
            engine.close()

    # What people do.

    @rule(target=devices, subject=st.sampled_from(SUBJECTS), client=st.sampled_from([*CLIENTS]))
    def opens(self, subject: str, client: str) -> Device:
        if self.people[subject].suspended:
            with pytest.raises(SubjectSuspended):
                self.engine.open(subject, client_id=client)
            subject = next(each for each in SUBJECTS if each != subject)
            self.engine.reinstate(subject)
            self.people[subject].suspended.clear()
        opened = self.engine.open(subject, client_id=client)
        device = Device(opened, subject, client)
        self.all.append(device)
        self._issued(device, opened)
        return device

    @rule(device=devices)
    def refreshes(self, device: Device) -> None:
        """The owner, with the newest handle."""
        self._uses_handle(device, -1, self.engine.refresh)

    @rule(device=devices, back=st.integers(1, 6))
    def replays(self, device: Device, back: int) -> None:
        """A lost reply retried, a parallel tab, or a thief."""
        self._uses_handle(device, max(-1 - back, -len(device.handles)), self.engine.refresh)

    @rule(device=devices, back=st.integers(0, 4))
    def checks(self, device: Device, back: int) -> None:
        """At `session` any handle is what is presented."""
        if device.client_id == "phone":
            self._uses_handle(device, max(-1 - back, -len(device.handles)), self.engine.check)

    @rule(device=devices)
    def steps_up(self, device: Device) -> None:
        if device.client_id == "phone":
            device.line += 1
            if not self._uses_handle(device, -1, self.engine.step_up):
                device.line -= 1

    # What is ended, and what is said about it.

    @rule(device=devices)
    def revokes(self, device: Device) -> None:
        if self._kept(device):
            self._ended([device], self.engine.revoke(device.opened.session.id))

    @rule(device=consumes(devices))
    def signs_out(self, device: Device) -> None:
        """With whatever is at hand; the oldest handle will do."""
        if self._kept(device):
            self._ended([device], self.engine.revoke_presented(device.handles[0].text))

    @rule(subject=st.sampled_from(SUBJECTS), keep=st.none() | devices)
    def revokes_all(self, subject: str, keep: Device | None) -> None:
        kept = keep.opened.session.id if keep is not None else None
        done = self.engine.revoke_all(subject, keep=kept)
        self._ended([d for d in self._of(subject) if d is not keep], done)

    @rule(client=st.sampled_from([*CLIENTS]))
    def revokes_client(self, client: str) -> None:
        done = self.engine.revoke_client(client)
        self._ended([d for d in self.all if d.client_id == client and self._kept(d)], done)

    @rule(subject=st.sampled_from(SUBJECTS))
    def suspends(self, subject: str) -> None:
        changed = self.engine.suspend(subject)
        self.people[subject].suspended.append(self._promise(changed))

    @rule(subject=st.sampled_from(SUBJECTS))
    def reinstates(self, subject: str) -> None:
        self.engine.reinstate(subject)
        self.people[subject].suspended.clear()

    @rule(subject=st.sampled_from(SUBJECTS))
    def changes_claims(self, subject: str) -> None:
        person = self.people[subject]
        person.claims_version += 1
        self.roles.of[subject] = [f"v{person.claims_version}"]
        changed = self.engine.claims_changed(subject)
        person.changed.append((person.claims_version, self._promise(changed)))

    # What time and the network do.

    @rule(seconds=st.sampled_from([0.5, 1, 4, 9.5, 10, 30, 61, 200]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(remote=st.integers(0, 1))
    def asks(self, remote: int) -> None:
        """A verifier's request reaches the store; the answer is on its way."""
        chosen = self.remotes[remote]
        read = drive(self.store.feed(chosen.mirror.position, now=self.clock.now()))
        chosen.underway.append((read, self.clock.uptime(), self.clock.now()))

    @rule(remote=st.integers(0, 1), which=st.integers(0, 3))
    def hears(self, remote: int, which: int) -> None:
        """An answer arrives, late or before an earlier one; a gap is repaired from nothing."""
        chosen = self.remotes[remote]
        if not chosen.underway:
            return
        read, began, at = chosen.underway.pop(which % len(chosen.underway))
        try:
            chosen.mirror.apply(read, began=began, at=at)
        except FeedGap:
            self._catches_up(chosen)

    @rule()
    def sweeps(self) -> None:
        drive(self.store.sweep(now=self.clock.now()))

    # What must be so.

    @invariant()
    def nothing_passes_that_was_promised_not_to(self) -> None:
        now = self.clock.now()
        for device in self.all:
            for token in device.tokens:
                promises = self._promises_about(device, token)
                if all(now < promise.here for promise in promises):
                    continue
                for remote in self.remotes:
                    assert remote.refusal(token, self.clock) is not None
                if any(now >= promise.elsewhere for promise in promises):
                    assert self.remotes[0].read(token).exp <= now

    @rule(remote=st.integers(0, 1))
    def whoever_knows_all_says_what_is(self, remote: int) -> None:
        """A verifier that has just asked refuses for the right reason and nobody honest."""
        chosen = self.remotes[remote]
        self._catches_up(chosen)
        for device in self.all:
            for token in device.tokens:
                assert chosen.refusal(token, self.clock) in self._expected(device, token, chosen)

    @invariant()
    def the_mirror_says_what_the_records_say(self) -> None:
        mirror = StatusMirror()
        read = drive(self.store.feed(None, now=self.clock.now()))
        mirror.apply(read, began=0.0, at=self.clock.now())
        kept = {each.id for each in read.lists}
        for subject in SUBJECTS:
            state, sessions = drive(self.store.all_of_subject(subject))
            for session in sessions:
                for index in session.live_indices(now=self.clock.now()):
                    assert index.list_id in kept
                    bits = mirror.lists[index.list_id]
                    assert bits[index.index] == status_of(session, state, index.claims_version)

    # How the model follows.

    @property
    def engine(self) -> BlockingCounterfoil:
        """Either process, in turn."""
        self.engines.reverse()
        return self.engines[0]

    def _uses_handle(self, device: Device, place: int, verb: Callable[[str], Any]) -> bool:
        """Presents a handle and compares what comes of it with what must; True if one was made."""
        used, newest = device.handles[place], device.handles[-1]
        expected = self._refusal_of_handle(device, used, is_check=verb.__name__ == "check")
        if expected is not None:
            with pytest.raises(expected):
                verb(used.text)
            if expected is RefreshReused:
                lag = {"phone": timedelta(0), "api": 10 * MINUTE / 60, "partner": ACCESS}
                here = self.clock.now() + lag[device.client_id]
                device.ended.append(Promise(here, self.clock.now() + ACCESS))
            return False
        answer = verb(used.text)
        if not isinstance(answer, Opened):
            assert answer.roles == tuple(self.roles.of[device.subject])
            return False
        if used is newest:
            newest.spent_at = self.clock.now()
        else:
            assert (answer.credential.refresh_handle or answer.credential.token) == newest.text
        self._issued(device, answer)
        return True

    def _refusal_of_handle(
        self, device: Device, used: Issue, *, is_check: bool
    ) -> type[Exception] | None:
        now = self.clock.now()
        if not self._kept(device):
            return SessionUnknown if is_check else RefreshUnknown
        if device.ended:
            return SessionRevoked
        if now >= self.engines[0].session(device.opened.session.id).expires_at:
            return SessionExpired
        if used.spent_at is not None and now - used.spent_at >= GRACE:
            return RefreshReused
        if self.people[device.subject].suspended:
            return SubjectSuspended
        is_cut_off = used.line != device.handles[-1].line
        return RefreshUnknown if is_cut_off and not is_check else None

    def _issued(self, device: Device, opened: Opened) -> None:
        version = self.people[device.subject].claims_version
        issued = opened.credential
        text = issued.refresh_handle or issued.token
        if not device.handles or device.handles[-1].text != text:
            device.handles.append(Issue(text, version, device.line))
        if issued.refresh_handle:
            device.tokens.append(Issue(issued.token, version, device.line))
        assert issued.expires_at <= opened.session.absolute_end
        for index in opened.session.indices:
            owner = (opened.session.id, index.claims_version)
            assert self.entries.setdefault((index.list_id, index.index), owner) == owner

    def _ended(self, devices: list[Device], done: Revoked) -> None:
        """Each was told the same bound; and the count is of those that had not ended."""
        now = self.clock.now()
        before = [d for d in devices if not d.ended and d.opened.session.absolute_end > now]
        assert done.count <= len(before)
        for device in devices:
            device.ended.append(self._promise(done))

    def _promise(self, done: Revoked | Changed) -> Promise:
        now = self.clock.now()
        return Promise(now + done.effective_within, now + done.elsewhere_within)

    def _promises_about(self, device: Device, token: Issue) -> list[Promise]:
        person = self.people[device.subject]
        stale = [p for version, p in person.changed if version > token.claims_version]
        return [*device.ended, *person.suspended, *stale]

    def _expected(
        self, device: Device, token: Issue, remote: Remote
    ) -> set[type[Exception] | None]:
        person = self.people[device.subject]
        if remote.read(token).exp <= self.clock.now():
            return {CredentialExpired}
        if device.client_id == "partner":
            return {None}
        if device.ended:
            return {SessionRevoked}
        if person.suspended:
            return {SubjectSuspended}
        return {ClaimsStale if token.claims_version < person.claims_version else None}

    def _catches_up(self, remote: Remote) -> None:
        for after in (remote.mirror.position, None):
            read = drive(self.store.feed(after, now=self.clock.now()))
            try:
                remote.mirror.apply(read, began=self.clock.uptime(), at=self.clock.now())
            except FeedGap:
                continue
            return

    def _kept(self, device: Device) -> bool:
        return drive(self.store.look_up(device.opened.session.id)) is not None

    def _of(self, subject: str) -> list[Device]:
        return [d for d in self.all if d.subject == subject and self._kept(d)]


Attack.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestThePromise = Attack.TestCase
