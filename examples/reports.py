# examples/reports.py: a second service, which keeps no sessions and holds no secret: it checks.
#
# It takes tokens that are meant for it (audience reports) with the public keys of their issuer,
# which is examples/notes.py, or the standalone server once it has the client:
#
#   counterfoil clients add reports --strategy jwt      then reports.py --issuer http://localhost:8000
#
# It may start before its issuer, and answers 503 until it has the keys. A token is good until it
# expires, five minutes at most, also after its person has signed out. So before something that
# cannot be undone it asks the issuer, whose record knows.
#
#   make example NAME=reports

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI

from counterfoil import AuthError, Unavailable, Verifier
from counterfoil.errors import Forbidden
from counterfoil.integrations.fastapi import (
    CurrentSession,
    PresentedCredential,
    protect,
    requires,
)

WELCOME = """Reports are at URL, for tokens of ISSUER. Ctrl-C stops. In another terminal:

  setopt interactivecomments 2> /dev/null || :    # in zsh, for comments such as this
  call() { curl -sS -w '\\n' -H 'Content-Type: application/json' "$@"; }
  ANN='"identifier": "ann", "password": "nine otters juggle"'
  call -d "{$ANN}" ISSUER/v1/accounts
  SIGNED_IN=$(call -d "{$ANN, \\"client_id\\": \\"reports\\"}" ISSUER/v1/sessions)
  TOKEN=$(echo "$SIGNED_IN" | sed 's/.*"token": *"\\([^"]*\\)".*/\\1/')
  ann() { call -H "Authorization: Bearer $TOKEN" "$@"; }
  call URL/healthz
  call URL/reports                      # nobody
  ann URL/reports
  ann -X DELETE URL/reports/1           # for administrators
  ann -X DELETE ISSUER/v1/session
  ann URL/reports                       # signed out, and the token not yet expired
  ann -X DELETE URL/reports/2           # but what cannot be undone is refused
"""


def duration(text: str) -> timedelta:
    return timedelta(seconds=float(text.removesuffix("s")))


options = argparse.ArgumentParser(description="Reports: a service that only checks tokens.")
options.add_argument("--port", type=int, default=8101)
options.add_argument("--issuer", default="http://localhost:8100")
options.add_argument("--audience", default="reports")
options.add_argument("--keys-max-age", type=duration, default="3600s", help="such as 2s")
chosen = options.parse_args()
url = f"http://localhost:{chosen.port}"

verifier = Verifier(
    issuer=chosen.issuer, audience=chosen.audience, keys_max_age=chosen.keys_max_age
)
reports = {1: "Herrings, third quarter", 2: "Otters, third quarter"}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    with suppress(Unavailable):
        health()  # so that the keys are on their way
    print(WELCOME.replace("URL", url).replace("ISSUER", chosen.issuer), flush=True)
    yield
    verifier.close()


app = FastAPI(title="Reports", lifespan=lifespan)
protect(app, verifier)


@app.get("/reports")
def listing(session: CurrentSession) -> dict[str, Any]:
    return {"for": session.subject, "roles": session.roles, "reports": reports}


@app.delete("/reports/{number}", dependencies=[requires("admin", recent=timedelta(minutes=5))])
async def burn(number: int, presented: PresentedCredential) -> dict[str, Any]:
    confirmed = await verifier.aconfirm(presented.text)
    if "admin" not in confirmed.roles:
        raise Forbidden  # the token says so, the record does not any more
    return {"burnt": reports.pop(number, None), "by": confirmed.subject}


@app.get("/healthz")
def health() -> dict[str, str]:
    """Answers 503 while the issuer's keys are not known well enough to check anything."""
    with suppress(AuthError):
        verifier.check("")  # no token; but whether keys are known is asked first
    return {"keys": "known"}


if __name__ == "__main__":
    uvicorn.run(app, host="localhost", port=chosen.port, log_level="warning")
