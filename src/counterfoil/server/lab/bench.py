"""What experiments work with: a scratch server, whoever is needed beside it, and people."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from counterfoil.client import StrategyName
from counterfoil.server.lab.calling import Answer, Caller, Carried, NotAsSaid
from counterfoil.server.lab.child import Child
from counterfoil.server.lab.registered import ADMINISTRATOR
from counterfoil.server.lab.relay import Relay
from counterfoil.server.passwords.argon2id import RECOMMENDED, HashProfile

CLIENT_OF: Final[dict[StrategyName, str]] = {"session": "web", "jwt": "partner", "hybrid": "api"}
# The same, where no token may expire meanwhile.
LASTING: Final[dict[StrategyName, str]] = {**CLIENT_OF, "jwt": "batch"}
STRATEGIES: Final[tuple[StrategyName, ...]] = ("session", "jwt", "hybrid")
AUDIENCES: Final = ("api", "partner", "spa")
PREFIX: Final = "counterfoil-lab-"
DATABASE: Final = "counterfoil.db"
_PASSWORD_BYTES: Final = 18


@dataclass(slots=True)
class SignedIn:
    """A client of the server that is signed in, and what it was given last."""

    client_id: str
    session_id: str
    answer: Answer
    carried: Carried
    token: str = field(repr=False)
    handle: str = field(repr=False)
    cookies: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account at the scratch server."""

    identifier: str
    subject: str
    password: str = field(repr=False)


class Bench:
    """Starts the scratch server, which spends so much on a password. Raises `NotAsSaid` where it
    does not begin."""

    def __init__(self, profile: HashProfile = RECOMMENDED) -> None:
        began = time.monotonic()
        self._profile = profile
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.relay = Relay()
        self.issuer = f"http://127.0.0.1:{self.relay.port}"
        self._password = secrets.token_urlsafe(_PASSWORD_BYTES)
        self._children: list[Child] = []
        self._service: int | None = None
        self._administrator: SignedIn | None = None
        try:
            self.port = self.relay.leads_to = self.node(self.folder / "node", removes=self.folder)
        except BaseException:
            self.close()
            raise
        self.call = Caller(self.port)
        self.started_in = time.monotonic() - began

    def node(self, data: Path, *, removes: Path | None = None) -> int:
        """Starts a server over this data folder, by the same issuer's name; its port. removes:
        what it removes when it ends, in case nobody is left who would."""
        data.mkdir(mode=0o700, exist_ok=True)
        child = self._child(
            "scratch_server",
            data=str(data),
            issuer=self.issuer,
            password=self._password,
            hashing=asdict(self._profile),
            removes=str(removes or ""),
        )
        return int(child.said()["port"])

    def service(self, **more: Any) -> int:
        """Starts a service that only checks; its port."""
        told = {"issuer": self.issuer, "audiences": AUDIENCES, **more}
        return int(self._child("second_service", **told).said()["port"])

    def second_service(self) -> Caller:
        """The service that follows the issuer with a `Verifier`, over the wire that can be cut."""
        if self._service is None:
            self._service = self.service()
        return Caller(self._service)

    def close(self) -> None:
        """Ends everything that was started; the folder goes too."""
        self.relay.close()
        self.end_children_after(0)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def children(self) -> list[Child]:
        return list(self._children)

    def end_children_after(self, number: int) -> None:
        """Ends those that were started later than the first `number`."""
        while len(self._children) > number:
            self._children.pop().end()

    @contextmanager
    def more_children(self) -> Iterator[None]:
        """What is started within ends with it."""
        number = len(self._children)
        try:
            yield
        finally:
            self.end_children_after(number)

    @contextmanager
    def without_store(self) -> Iterator[None]:
        """Takes the server's database from its place, and puts it back."""
        place = self.folder / "node" / DATABASE
        elsewhere = place.with_suffix(".taken-away")
        place.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(place)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Cuts the wire between second service and issuer, and mends it."""
        self.relay.cut()
        try:
            yield
        finally:
            self.relay.mend()

    def person(self, name: str = "ann") -> Person:
        """Somebody new."""
        identifier = f"{name}-{secrets.token_hex(3)}"
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        answer = self.call("POST", "/v1/accounts", identifier=identifier, password=password)
        return Person(identifier, str(answer.expect(201).body["subject"]), password)

    def try_sign_in(
        self,
        person: Person,
        client_id: str,
        *,
        carried: Carried | None = None,
        caller: Caller | None = None,
    ) -> Answer:
        return (caller or self.call)(
            "POST",
            "/v1/sessions",
            carried=carried,
            client_id=client_id,
            identifier=person.identifier,
            password=person.password,
        )

    def sign_in(self, person: Person, client_id: str) -> SignedIn:
        return signed_in(self.try_sign_in(person, client_id).expect(201))

    def who(self, given: SignedIn, *, caller: Caller | None = None) -> Answer:
        """The request of all experiments."""
        return (caller or self.call)("GET", "/v1/session", carried=given.carried)

    def refresh(self, handle: str) -> Answer:
        return self.call("POST", "/v1/session/refresh", refresh_handle=handle)

    def sign_out(self, given: SignedIn) -> Answer:
        return self.call("DELETE", "/v1/session", carried=given.carried)

    def devices(self, given: SignedIn) -> Answer:
        return self.call("GET", "/v1/sessions", carried=given.carried)

    def administrators(self, method: str, path: str, **members: object) -> Answer:
        """A call by the administrator."""
        if self._administrator is None:
            person = Person(ADMINISTRATOR, "", self._password)
            self._administrator = self.sign_in(person, "api")
        answer = self.call(method, path, carried=self._administrator.carried, sent=members)
        if answer.status == 401:  # noqa: PLR2004 - HTTP's number: the token has run out
            self._administrator = None
            return self.administrators(method, path, **members)
        return answer

    def set_roles(self, person: Person, *roles: str) -> Answer:
        path = f"/v1/admin/accounts/{person.subject}"
        return self.administrators("PATCH", path, roles=list(roles))

    def trail(self, person: Person, session_id: str | None = None) -> list[str]:
        """What the administrator's trail has of somebody, oldest first."""
        path = f"/v1/admin/events?subject={person.subject}"
        lines = self.administrators("GET", path).expect(200).body["events"]
        return [
            str(line["kind"])
            for line in reversed(lines)
            if session_id is None or line["session_id"] == session_id
        ]

    def _child(self, module: str, **told: Any) -> Child:
        child = Child(module, told, log=self.folder / "log")
        self._children.append(child)
        return child


def bearer(token: str) -> Carried:
    return Carried("Authorization", f"Bearer {token}")


def cookie(name: str, value: str) -> Carried:
    return Carried("Cookie", f"{name}={value}")


def signed_in(answer: Answer) -> SignedIn:
    """What a sign-in or a refresh gave."""
    session, credential = answer.body["session"], answer.body["credential"]
    client_id = str(session["client_id"])
    if credential["type"] == "bearer":
        token = str(credential["token"])
        handle = str(credential.get("refresh_handle", ""))
        return SignedIn(client_id, session["id"], answer, bearer(token), token, handle)
    name = f"__Host-cf_{client_id}"
    value = answer.cookies.get(name, "")
    if not value:
        raise NotAsSaid("The sign-in of a cookie client set no cookie.")
    handle = answer.cookies.get(f"{name}_r", value)
    return SignedIn(
        client_id, session["id"], answer, cookie(name, value), value, handle, answer.cookies
    )
