# examples/notes.py: an application with users of its own, signed in by Counterfoil.
#
# Its users and notes are SQLAlchemy tables, in one file with Counterfoil's. It checks passwords
# itself, says which roles somebody has, and tells Counterfoil when either has changed. Browsers get
# a session in a cookie (client notes). For another service, such as examples/reports.py, people
# get a token (client reports), and that service finds the keys here. A real application also
# counts wrong passwords and knows weak ones: docs/passwords-and-throttling.md.
#
#   make example NAME=notes

import argparse
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from math import ceil
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal, TypeVar

import uvicorn
from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from fastapi import Depends, FastAPI, Header, Response
from pydantic import BaseModel, Field
from sqlalchemy import JSON, create_engine, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from counterfoil import Client, Counterfoil, Lifetime, SqliteStore
from counterfoil.errors import IdentifierTaken, NotFound, PasswordRefused, SignInRefused
from counterfoil.integrations.fastapi import (
    CurrentSession,
    own_site,
    protect,
    requires,
    session_routes,
    sign_in_response,
)
from counterfoil.integrations.issuer import IssuerApp

WELCOME = """Notes are at URL, all calls at URL/docs. Ctrl-C stops. In another terminal:

  setopt interactivecomments 2> /dev/null || :    # in zsh, for comments such as this
  cd DATA
  call() { curl -sS -w '\\n' -H 'Content-Type: application/json' "$@"; }
  ann() { call -b ann -c ann "$@"; }    # her browser, with her cookies
  bob() { call -b bob -c bob "$@"; }
  ANN='{"identifier": "ann", "password": "nine otters juggle"}'
  BOB='{"identifier": "bob", "password": "walruses knit hats"}'
  call -d "$ANN" URL/v1/accounts        # the first one is the administrator
  call -d "$BOB" URL/v1/accounts
  ann -d "$ANN" URL/v1/sessions
  bob -d "$BOB" URL/v1/sessions
  ann -d '{"text": "Buy herrings"}' URL/notes
  ann URL/notes
  bob URL/notes/1                       # not his
  bob -X PUT -d '["admin"]' URL/people/bob/roles
  ann -X PUT -d '["editor"]' URL/people/bob/roles
  bob URL/v1/session                    # what he is by now
  ann URL/v1/sessions                   # her devices
  cp ann copy                           # somebody copies her cookies
  ann -X DELETE URL/v1/session
  call -b copy URL/notes                # and finds that they are worth nothing
"""
Result = TypeVar("Result")
Password = Annotated[str, Field(max_length=256)]
SHORTEST_PASSWORD = 15

options = argparse.ArgumentParser(description="Notes: Counterfoil in an application.")
options.add_argument("--port", type=int, default=8100)
options.add_argument("--data", type=Path, default=Path("examples-data/notes"))
options.add_argument("--access-seconds", type=int, default=300, help="lifetime of tokens")
chosen = options.parse_args()
chosen.data.mkdir(mode=0o700, parents=True, exist_ok=True)
url = f"http://localhost:{chosen.port}"


class Table(DeclarativeBase):
    pass


class Person(Table):
    __tablename__ = "people"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: uuid.uuid4().hex)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(JSON)


class Note(Table):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]


store = SqliteStore(chosen.data / "notes.db")
database = create_engine(f"sqlite:///{store.path}")
rows = sessionmaker(database, expire_on_commit=False)
Table.metadata.create_all(database)


async def db(work: Callable[[Session], Result]) -> Result:
    """What `work` does with the tables, committed, and off the event loop."""

    def run() -> Result:
        with rows.begin() as tables:
            return work(tables)

    return await to_thread.run_sync(run)


async def named(name: str) -> Person | None:
    return await db(lambda tables: tables.scalar(select(Person).where(Person.name == name)))


async def roles_of(subject: str) -> list[str]:
    """Asked at each sign-in, and anew after `claims_changed`."""
    person = await db(lambda tables: tables.get(Person, subject))
    return person.roles if person else []


tokens = Lifetime(access=timedelta(seconds=chosen.access_seconds))
auth = Counterfoil(
    store=store,
    issuer=url,
    clients=[
        Client(client_id="notes", strategy="session", carrier="cookie", manage=True),
        Client(client_id="reports", strategy="hybrid", lifetime=tokens),
    ],
    claims=roles_of,
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    folder = quote(str(chosen.data.resolve()))
    print(WELCOME.replace("URL", url).replace("DATA", folder), flush=True)
    yield
    await auth.close()
    database.dispose()


app = FastAPI(title="Notes", lifespan=lifespan)
protect(app, auth, audience="notes")  # a token for reports is none for here
app.include_router(session_routes(auth))

hasher = PasswordHasher(parallelism=1)
hashing = CapacityLimiter(os.cpu_count() or 1)  # a hash takes a core and 64 MiB
nobody = hasher.hash(uuid.uuid4().hex)  # an unknown name takes as long as a wrong password


async def require_password(person: Person | None, password: str) -> Person:
    encoded = person.password if person else nobody
    try:
        await to_thread.run_sync(hasher.verify, encoded, password, limiter=hashing)
    except VerificationError:
        raise SignInRefused from None
    if person is None:
        raise SignInRefused
    return person


async def hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise PasswordRefused(f"The password has fewer than {SHORTEST_PASSWORD} characters.")
    return await to_thread.run_sync(hasher.hash, password, limiter=hashing)


class Account(BaseModel):
    identifier: Annotated[str, Field(min_length=1, max_length=64)]
    password: Password
    client_id: Literal["notes", "reports"] = "notes"


class NewPassword(BaseModel):
    current: Password
    new: Password


class Text(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=2000)]


@app.post("/v1/accounts", status_code=201, dependencies=[Depends(own_site)])
async def register(body: Account) -> dict[str, str]:
    person = Person(name=body.identifier, password=await hashed(body.password))

    def add(tables: Session) -> None:
        person.roles = [] if tables.scalar(select(func.count(Person.id))) else ["admin"]
        tables.add(person)

    try:
        await db(add)
    except IntegrityError:
        raise IdentifierTaken from None
    return {"subject": person.id}


@app.post("/v1/sessions", status_code=201, dependencies=[Depends(own_site)])
async def sign_in(body: Account, user_agent: Annotated[str, Header()] = "") -> Response:
    person = await named(body.identifier)
    expected = await auth.subject(person.id) if person else None
    # Read again after that: if the password changes from here on, `open` refuses.
    person = await require_password(await named(body.identifier), body.password)
    if expected is None:
        raise SignInRefused
    return sign_in_response(
        await auth.open(
            person.id, client_id=body.client_id, expected=expected, device=user_agent[:100]
        )
    )


@app.post("/account/password")
async def change_password(body: NewPassword, session: CurrentSession) -> dict[str, int]:
    person = await db(lambda tables: tables.get(Person, session.subject))
    await require_password(person, body.current)
    change = update(Person).where(Person.id == session.subject)
    change = change.values(password=await hashed(body.new))
    await db(lambda tables: tables.execute(change))
    done = await auth.revoke_all(session.subject, keep=session.session_id)
    return {
        "signed_out": done.count,
        "effective_within_seconds": ceil(done.effective_within.total_seconds()),
    }


@app.put("/people/{name}/roles", dependencies=[requires("admin")])
async def give_roles(name: str, roles: list[Literal["admin", "editor"]]) -> dict[str, int]:
    person = await named(name)
    if person is None:
        raise NotFound
    change = update(Person).where(Person.id == person.id).values(roles=roles)
    await db(lambda tables: tables.execute(change))
    changed = await auth.claims_changed(person.id)  # only now that it is committed
    return {
        "sessions": changed.count,
        "effective_within_seconds": ceil(changed.effective_within.total_seconds()),
    }


@app.post("/notes", status_code=201)
async def write(body: Text, session: CurrentSession) -> dict[str, Any]:
    note = Note(owner=session.subject, text=body.text)
    await db(lambda tables: tables.add(note))
    return {"id": note.id, "text": note.text}


@app.get("/notes")
async def mine(session: CurrentSession) -> list[dict[str, Any]]:
    own = select(Note).where(Note.owner == session.subject)
    found = await db(lambda tables: tables.scalars(own).all())
    return [{"id": note.id, "text": note.text} for note in found]


@app.get("/notes/{number}")
async def one(number: int, session: CurrentSession) -> dict[str, Any]:
    note = await db(lambda tables: tables.get(Note, number))
    if note is None or note.owner != session.subject:
        raise NotFound  # somebody else's too
    return {"id": note.id, "text": note.text}


app.mount("/", IssuerApp(auth))  # keys and status, for services that check the tokens

if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=chosen.port, log_level="warning")
