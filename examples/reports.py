# examples/reports.py: a second service, which keeps no sessions and holds no secret: it checks.
#
# It takes tokens that are meant for it with the public keys of their issuer: the standalone server
# (make run), whose client api this is for, or examples/notes.py:
#
#   make example NAME=reports ARGS="--issuer http://localhost:8100 --audience reports"
#
# It may start before its issuer, and answers 503 until it knows enough. It asks nobody when it
# checks. Signed out, a token is refused at the next call, for it follows its issuer's revocations;
# cut off from that, it goes on for max_staleness, and then answers 503 until it is back. What goes
# on for longer, /live and /news, ends with the session. Before something that cannot be undone it
# asks the issuer, whose record knows what no token can: the roles of this moment.
#
#   make example NAME=reports

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from counterfoil import AuthError, Unavailable, Verifier
from counterfoil.errors import Forbidden
from counterfoil.integrations.asgi import current_session
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
  SIGNED_IN=$(call -d "{$ANN, \\"client_id\\": \\"AUDIENCE\\"}" ISSUER/v1/sessions)
  TOKEN=$(echo "$SIGNED_IN" | sed 's/.*"token": *"\\([^"]*\\)".*/\\1/')
  ann() { call -H "Authorization: Bearer $TOKEN" "$@"; }
  call URL/healthz
  call URL/reports                      # nobody
  ann URL/reports
  ann -X DELETE URL/reports/1           # for administrators
  ann -N URL/news > /dev/null & sleep 1 # goes on for as long as she is signed in
  ann -X DELETE ISSUER/v1/session
  ann URL/reports                       # signed out
  wait                                  # which has ended the news, too
"""


def duration(text: str) -> timedelta:
    return timedelta(seconds=float(text.removesuffix("s")))


options = argparse.ArgumentParser(description="Reports: a service that only checks tokens.")
options.add_argument("--port", type=int, default=8101)
options.add_argument("--issuer", default="http://localhost:8000")
options.add_argument("--audience", default="api")
options.add_argument("--max-staleness", type=duration, help="less than the issuer's, such as 1s")
options.add_argument("--keys-max-age", type=duration, default="3600s", help="such as 2s")
options.add_argument("--workers", type=int, default=1, help="processes, each with its own copy")
chosen = options.parse_args()
url = f"http://localhost:{chosen.port}"

verifier = Verifier(
    issuer=chosen.issuer,
    audience=chosen.audience,
    max_staleness=chosen.max_staleness,
    keys_max_age=chosen.keys_max_age,
)
reports = {1: "Herrings, third quarter", 2: "Otters, third quarter"}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    with suppress(Unavailable):
        health()  # so that keys and status are on their way
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


@app.get("/news")
async def news(session: CurrentSession) -> StreamingResponse:
    """An event stream; it ends when the session does."""

    async def lines() -> AsyncIterator[str]:
        yield f"data: for {session.subject}\n\n"
        while True:
            await asyncio.sleep(1)
            yield "data: nothing new\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@app.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Says back what it is told; closed, with the reason, when the session ends."""
    session = current_session(socket)
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            said = await socket.receive_text()
            await socket.send_text(f"{session.subject} said {said}")


@app.get("/healthz")
def health() -> dict[str, Any]:
    """Answers 503 while the issuer's keys are not known well enough to check anything."""
    with suppress(AuthError):
        verifier.check("")  # no token; but whether keys are known is asked first
    known = verifier.knowledge
    return {
        "keys": "known",
        "status_age": known.status_age if known.position else None,
        "position": known.position.number if known.position else None,
        "connected_since": known.connected_since,
    }


if __name__ == "__main__":
    welcome = WELCOME.replace("URL", url).replace("ISSUER", chosen.issuer)
    print(welcome.replace("AUDIENCE", chosen.audience), flush=True)
    uvicorn.run(
        "reports:app",
        host="localhost",
        port=chosen.port,
        workers=chosen.workers,
        log_level="warning",
        ws="websockets-sansio",
        # Streams that are open when it is told to stop would otherwise keep it.
        timeout_graceful_shutdown=1,
    )
