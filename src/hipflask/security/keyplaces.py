"""Where API keys are kept: a file that is replaced as a whole, or a record of the store."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ..scaffold import SetupError
from .records import Record, Records

_LOCK_S = 5.0
_RECORD = "security:keys"
_USED = "security:keys:used"


# The year 9999, past which nothing has a date.
_Time = Annotated[int, msgspec.Meta(ge=0, le=253402300799)]


class StoredKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a key. Times are seconds since 1970, UTC."""

    #: The key's first characters, by which it is called.
    id: str
    #: As `hash_key` makes it.
    hash: Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
    #: Whom it stands for: the identity's name.
    name: str
    roles: tuple[str, ...] = ()
    created: _Time = 0
    #: When it ends by itself; 0 for never.
    expires: _Time = 0
    #: When it was taken back; 0 if it was not.
    revoked: _Time = 0

    def state(self, now: float) -> str:
        """ "valid", "expired" or "revoked"."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and now >= self.expires else "valid"


class KeyFile:
    """A file of JSON, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._used_path = path.with_name(f"{path.name}.used")

    def read(self) -> tuple[StoredKey, ...]:
        """All keys; SetupError for no such file, one of anybody's, or one of something else."""
        try:
            data = self._path.read_bytes()
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            raise SetupError(
                f"{self._path}: no such file of API keys. Make it with the first key: hipflask"
                f" keys new NAME --in {self._path}"
            ) from None
        except OSError as error:
            raise _cannot("be read", self._path, error) from None
        if os.name == "posix" and mode & stat.S_IWOTH:
            raise SetupError(f"{self._path}: every user here may write keys into it: chmod 600.")
        return _parse(data, str(self._path))

    def stamp(self) -> Any:
        """What is another one when the file is; None without a file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def change(self, change: Callable[[list[StoredKey]], list[StoredKey]]) -> None:
        """Put what `change` makes of the keys in their place; nobody else does meanwhile."""
        with self._alone():
            keys = list(self.read()) if self._path.exists() else []
            document = {"keys": msgspec.to_builtins(change(keys))}
            _replace(self._path, json.dumps(document, indent=1).encode() + b"\n")

    def used(self) -> dict[str, int]:
        """The day each key was last used, by id."""
        with suppress(OSError, ValueError, msgspec.ValidationError):
            return msgspec.json.decode(self._used_path.read_bytes(), type=dict[str, int])
        return {}

    def note_used(self, key_id: str, day: int) -> None:
        """Keep the day; of two processes at once one may be lost, till the next day."""
        used = self.used()
        if used.get(key_id, 0) < day:
            _replace(self._used_path, json.dumps({**used, key_id: day}).encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time: the last to write would undo what the others did."""
        lock = self._path.with_name(f"{self._path.name}.lock")
        ends_at = time.monotonic() + _LOCK_S
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
                break
            except OSError as error:
                if not isinstance(error, FileExistsError):
                    raise _cannot("be written", self._path, error) from None
                if time.monotonic() >= ends_at:
                    raise SetupError(
                        f"{lock} is there: another command changes the keys, or one was stopped"
                        " halfway. If none runs, remove it."
                    ) from None
                time.sleep(0.02)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


class KeyRecord:
    """Two records of the store that all processes share."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def read(self) -> tuple[StoredKey, ...]:
        """All keys; SetupError for a record of something else."""
        return _parse(json.dumps(self._records.get(_RECORD) or {"keys": []}).encode(), _RECORD)

    def stamp(self) -> Any:
        """None: it is read each time."""
        return None

    def change(self, change: Callable[[list[StoredKey]], list[StoredKey]]) -> None:
        """Put what `change` makes of the keys in their place, in one transaction."""

        def put(record: Record) -> Record:
            keys = _parse(json.dumps(record or {"keys": []}).encode(), _RECORD)
            return {"keys": msgspec.to_builtins(change(list(keys)))}

        self._records.update(_RECORD, put)

    def used(self) -> dict[str, int]:
        """The day each key was last used, by id."""
        return dict(self._records.get(_USED))

    def note_used(self, key_id: str, day: int) -> None:
        """Keep the day."""
        self._records.update(
            _USED, lambda used: {**used, key_id: day} if used.get(key_id, 0) < day else None
        )


def _cannot(what: str, path: Path, error: OSError) -> SetupError:
    return SetupError(f"{path} cannot {what}: {error.strerror}.")


class _Document(msgspec.Struct):
    keys: list[StoredKey]


def _parse(data: bytes, where: str) -> tuple[StoredKey, ...]:
    try:
        return tuple(msgspec.json.decode(data, type=_Document).keys)
    except (ValueError, msgspec.ValidationError) as error:
        raise SetupError(
            f"{where} holds no API keys as hipflask keys writes them: {error}"
        ) from None


def _replace(path: Path, data: bytes) -> None:
    """Put the file there whole or not at all, for nobody else to read."""
    import tempfile  # only who writes a file pays for it

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
