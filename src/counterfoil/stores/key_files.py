"""Private keys and handle secrets in files that only their owner can read.

Several processes share a folder. Whoever is first makes the files; whoever changes them does so
under a lock and by renaming, so that a reader sees the old file or the new one, whole. A file that
is there and cannot be used is never replaced: it may be the only copy.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from counterfoil.clock import SystemClock
from counterfoil.errors import ConfigurationError, KeysStale, StoreUnavailable
from counterfoil.handle import HandleSecrets
from counterfoil.keys import SigningKeySet
from counterfoil.stores.witness_files import WitnessFiles
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from counterfoil.clock import Clock
    from counterfoil.keys import PublicKeySet
    from counterfoil.status_change import Position

KEYS_MAX_AGE: Final = timedelta(hours=1)
LOOK_EVERY: Final = timedelta(milliseconds=250)
# What they are called where they are kept together.
SIGNING_KEYS: Final = "signing keys"
HANDLE_SECRETS: Final = "handle secrets"
_SECRET_BYTES: Final = 32

Content = TypeVar("Content")


class KeyFiles:
    """`signing-keys.json` and `handle-secrets.json` in a folder, made on first use, and beside them
    `witness-…`, which says how far a store has come.

    A file changed by another process is seen by the next `signing_keys()`, and by `public_keys()`
    within LOOK_EVERY. One that can no longer be read is remembered for `keys_max_age`; then
    `KeysStale` is raised. Raises `ConfigurationError` for a file that is not ours alone or not
    whole, naming it.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        clock: Clock | None = None,
        keys_max_age: timedelta = KEYS_MAX_AGE,
    ) -> None:
        folder = Path(folder)
        self._folder = folder
        self._witness = WitnessFiles(folder)
        self._clock: Clock = clock or SystemClock()
        self._keys = _Watched(
            folder / "signing-keys.json", SigningKeySet.from_json, self._clock, keys_max_age
        )
        self._secrets = _Watched(
            folder / "handle-secrets.json", _secrets, self._clock, keys_max_age
        )

    def signing_keys(self) -> SigningKeySet:
        """The keys as the file has them now; costs one stat."""
        return self._keys.current() or self._first(self._keys, self._new_keys)

    def public_keys(self) -> PublicKeySet:
        """The keys to check against, at most LOOK_EVERY old; mostly costs a look at the clock."""
        return (self._keys.recent() or self.signing_keys()).public()

    def handle_secrets(self) -> HandleSecrets:
        """K, in all versions that are kept."""
        return self._secrets.recent() or self._first(self._secrets, _new_secrets)

    def update(self, change: Callable[[SigningKeySet], SigningKeySet]) -> SigningKeySet:
        """Replaces the keys by what `change` makes of them, durably, one process at a time.

        What `change` was given is what it returns when there is nothing to do. An error that it
        raises is passed on, and nothing has changed.
        """
        self.signing_keys()
        with self._locked():
            keys = self._keys.load()
            changed = change(keys)
            if changed is not keys:
                self._write(self._keys.path, changed.to_json())
                self._keys.load(changed)
        return changed

    def contents(self) -> list[tuple[str, str]]:
        """The signing keys and K as they are kept, by name; nobody changes them meanwhile. For who
        moves them. Raises `ConfigurationError`."""
        with self._locked():
            found = ((SIGNING_KEYS, self._keys), (HANDLE_SECRETS, self._secrets))
            return [(name, file.path.read_text(encoding="utf-8")) for name, file in found]

    def reach(self, position: Position) -> Position:
        """Notes how far a store has come, and answers how far it is known to have come."""
        return self._witness.reach(position)

    def refresh(self) -> None:
        """There is nothing to do: each call looks at the files."""

    def reload(self) -> None:
        """Reads the files that there are now, changed or not. Raises `ConfigurationError` for one
        that cannot be used, or is gone, which leaves in force what was known of it, and has read
        the other all the same."""
        troubles: list[ConfigurationError] = []
        for file in (self._keys, self._secrets):
            try:
                file.reload()
            except ConfigurationError as why:
                troubles.append(why)
        if troubles:
            raise troubles[0]

    def age(self) -> float:
        """Seconds since both files could be read; looks whether they can. NaN before the first."""
        for look in (self._keys.current, self._secrets.current):
            with contextlib.suppress(ConfigurationError, KeysStale):
                if look() is None:
                    return float("nan")
        return self._clock.uptime() - min(self._keys.seen_at, self._secrets.seen_at)

    def _first(self, file: _Watched[Content], make: Callable[[], tuple[Content, str]]) -> Content:
        """The content, made if nobody has made it. make: it, and how it is written."""
        made = None
        with self._locked():
            if not file.path.exists():
                made, text = make()
                self._write(file.path, text)
            return file.load(made)

    def _new_keys(self) -> tuple[SigningKeySet, str]:
        made = SigningKeySet.generate(now=self._clock.now())
        return made, made.to_json()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = self._open_lock()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        """The lock file is left in place: to delete it is to let two processes hold the lock."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._folder.stat().st_mode & stat.S_IWOTH:
                raise ConfigurationError(f"Run chmod 700 {self._folder}: anyone can replace keys.")
            return os.open(self._folder / "keys.lock", flags, 0o600)
        except OSError as why:
            raise ConfigurationError(f"Make {self._folder} writable: {why.strerror}.") from None

    def _write(self, path: Path, text: str) -> None:
        """Only under the lock: whatever stands under the temporary name is from a crash."""
        temporary = path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            self._sync_folder()
        except OSError as why:
            raise StoreUnavailable(f"{path} could not be written: {why.strerror}.") from None

    def _sync_folder(self) -> None:
        """A name too must survive a crash."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Watched(Generic[Content]):
    """A file's content, read again when the file is another one. read: is given what is known of
    it already, if anything is."""

    def __init__(
        self,
        path: Path,
        read: Callable[[bytes, Content | None], Content],
        clock: Clock,
        max_age: timedelta,
    ) -> None:
        self.path = path
        self._read = read
        self._clock = clock
        self._max_age = max_age.total_seconds()
        self._content: Content | None = None
        self._mark: tuple[int, ...] = ()
        self._trouble = ""
        self.seen_at = self._looked_at = 0.0

    def recent(self) -> Content | None:
        """The content, looked up again after LOOK_EVERY; None before there is a file."""
        now = self._clock.uptime()
        if self._content is None or now - self._looked_at >= LOOK_EVERY.total_seconds():
            return self.current()
        return self._remembered(now)

    def current(self) -> Content | None:
        """The content as the file has it now; None before there is a file."""
        self._looked_at = self._clock.uptime()
        try:
            if _mark(self.path.stat()) != self._mark:
                return self.load()
        except FileNotFoundError:
            if self._content is None:
                return None
            self._trouble = f"{self.path} is gone."
        except (OSError, ConfigurationError) as why:
            if self._content is None:
                raise _unreadable(self.path, why) from None
            self._trouble = str(why)
        else:
            self.seen_at = self._looked_at
        return self._remembered(self._looked_at)

    def reload(self) -> None:
        """Reads the file, unless it was not made yet. Raises `ConfigurationError`."""
        if self._content is not None or self.path.exists():
            self.load()

    def load(self, known: Content | None = None) -> Content:
        """Reads the file. known: what it should have; by default what was there before. Raises
        `ConfigurationError`."""
        started_at = self._clock.uptime()
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                data = file.read()
        except OSError as why:
            raise _unreadable(self.path, why) from None
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"Run chmod 600 {self.path}: others can read or write it.")
        try:
            content = self._read(data, known or self._content)
        except ConfigurationError as why:
            raise ConfigurationError(f"{self.path}: {why.detail}") from None
        # The content before the mark: another thread that sees the new mark takes the content.
        self._content = content
        self._mark, self.seen_at = _mark(status), started_at
        return content

    def _remembered(self, now: float) -> Content | None:
        if now - self.seen_at >= self._max_age:
            raise KeysStale(self._trouble)
        return self._content


def _unreadable(path: Path, why: OSError | ConfigurationError) -> ConfigurationError:
    if isinstance(why, ConfigurationError):
        return why
    return ConfigurationError(f"Make {path} readable: {why.strerror}.")


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode


def _new_secrets() -> tuple[HandleSecrets, str]:
    text = new_secrets()
    return read_secrets(text.encode()), text


def new_secrets() -> str:
    """A first K, as it is kept."""
    secret = urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).rstrip(b"=").decode()
    return json.dumps({"current": 0, "versions": {"0": secret}}, indent=1)


def _secrets(data: bytes, _: HandleSecrets | None) -> HandleSecrets:
    return read_secrets(data)


def read_secrets(data: bytes) -> HandleSecrets:
    """K as it was kept. Raises `ConfigurationError`."""
    content = parse_object(data, error=ConfigurationError, limit=len(data))
    try:
        versions = {
            int(version): urlsafe_b64decode(text + "=" * (-len(text) % 4))
            for version, text in content["versions"].items()
        }
        return HandleSecrets(versions, content["current"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ConfigurationError("Restore the handle secrets: they do not fit together.") from None
