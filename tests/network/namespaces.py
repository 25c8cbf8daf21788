"""Two network namespaces with a wire between them, and ways to cut it.

The namespaces have no names: they are held by open files of this process and end with it, however
it ends. Nothing outside of them is touched, and no address outside of them is reached.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import pytest

from network.checking import CLONE_NEWNET, enter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
REQUIRED: Final = "COUNTERFOIL_TEST_REQUIRE_NETNS"
PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
ISSUER: Final = "10.203.0.1"
VERIFIER: Final = "10.203.0.2"
PORT: Final = 8443
DEVICE: Final = "cut0"
NOBODY: Final = "02:00:00:00:00:99"  # an address that no end of the wire has


@dataclass(frozen=True, slots=True)
class End:
    """A namespace, at one end of a wire."""

    descriptor: int
    address: str

    @property
    def file(self) -> str:
        """Its file, for any process of this user."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def ip(self, command: str) -> None:
        """Runs `ip` in it."""
        program = ["nsenter", f"--net={self.file}", "ip", *command.split()]
        subprocess.run(program, env={"PATH": PATH}, check=True, capture_output=True, timeout=20)


@dataclass(frozen=True, slots=True)
class Wire:
    issuer: End
    verifier: End

    def listen(self) -> socket.socket:
        """A socket that listens at the issuer's end, to be used by any thread of this process."""

        def listening() -> socket.socket:
            enter(self.issuer.file)
            return socket.create_server((ISSUER, PORT))

        return in_a_thread(listening)


def pull_the_verifiers_plug(wire: Wire) -> Callable[[], None]:
    """Its own link is down, and it knows that there is no way."""
    wire.verifier.ip(f"link set {DEVICE} down")
    return lambda: wire.verifier.ip(f"link set {DEVICE} up")


def pull_the_issuers_plug(wire: Wire) -> Callable[[], None]:
    """The link is down at the other end."""
    wire.issuer.ip(f"link set {DEVICE} down")
    return lambda: wire.issuer.ip(f"link set {DEVICE} up")


def drop_questions(wire: Wire) -> Callable[[], None]:
    """What it sends vanishes; what the issuer sends arrives."""
    return _mislead(wire.verifier, to=ISSUER)


def drop_answers(wire: Wire) -> Callable[[], None]:
    """What it sends arrives; what the issuer sends vanishes."""
    return _mislead(wire.issuer, to=VERIFIER)


def swallow(wire: Wire) -> Callable[[], None]:
    """Its router has no way, and does not say so."""
    wire.verifier.ip(f"route add blackhole {ISSUER}/32")
    return lambda: wire.verifier.ip(f"route del blackhole {ISSUER}/32")


def _mislead(end: End, *, to: str) -> Callable[[], None]:
    """Frames from this end go to nobody."""
    end.ip(f"neigh replace {to} lladdr {NOBODY} nud permanent dev {DEVICE}")
    return lambda: end.ip(f"neigh del {to} dev {DEVICE}")


@contextmanager
def wire() -> Iterator[Wire]:
    """A wire. Without leave to make one the test skips aloud, or fails where CI says that it must
    be there."""
    try:
        made = _made()
    except OSError as why:
        _without(f"this machine gives no network namespace to this user ({why.strerror})")
    try:
        yield made
    finally:
        os.close(made.issuer.descriptor)
        os.close(made.verifier.descriptor)


def _made() -> Wire:
    for name in ("ip", "nsenter"):
        if shutil.which(name, path=PATH) is None:
            _without(f"{name} is not installed (Debian: apt install iproute2 util-linux)")
    issuer, verifier = (End(in_a_thread(_unshared), each) for each in (ISSUER, VERIFIER))
    issuer.ip(f"link add {DEVICE} type veth peer name {DEVICE} netns {verifier.file}")
    for end in (issuer, verifier):
        end.ip(f"addr add {end.address}/30 dev {DEVICE}")
        end.ip(f"link set {DEVICE} up")
    return Wire(issuer, verifier)


def _unshared() -> int:
    """A new namespace, which this thread is in from now on."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _without(why: str) -> NoReturn:
    told = f"NOT TESTED across network namespaces: {why}."
    if os.environ.get(REQUIRED):
        pytest.fail(f"{told} {REQUIRED} is set")
    pytest.skip(told)


def in_a_thread(act: Callable[[], T]) -> T:
    """In a thread of its own, which may go where this one stays away from. Raises what it
    raises."""
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(act())
        except BaseException as why:  # noqa: BLE001 - told to who waits
            failed.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
