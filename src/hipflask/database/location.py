"""Where a store is: its URL made exact, and files kept off network file systems."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..scaffold import SetupError

SETTING = "HIPFLASK_DATABASE_URL"
DEFAULT_FILE = "hipflask.db"
# Their locks and shared memory do not hold between hosts, and not always on one.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs"}
    | {"beegfs", "ocfs2", "gfs2", "glusterfs", "davfs", "pvfs2", "orangefs"}
)
_NETWORK_FUSE = frozenset(
    {"sshfs", "glusterfs", "s3fs", "rclone", "davfs", "goofys", "gcsfuse", "blobfuse2", "ceph"}
    | {"juicefs", "mount-s3", "curlftpfs", "smbnetfs", "moosefs", "lizardfs"}
)


def read_url(url: str | None, instance_path: str | None = None) -> URL:
    """The URL with driver and full path; SetupError for one that cannot work.

    None is HIPFLASK_DATABASE_URL, or else `hipflask.db` in the instance folder. A relative path
    counts from the instance folder if there is one, else from the current folder.
    """
    given = url or os.environ.get(SETTING) or f"sqlite:///{DEFAULT_FILE}"
    try:
        parsed = make_url(given)
    except (ArgumentError, ValueError):
        # It may hold a password, and nobody can tell where.
        shown = "***" + given[given.rindex("@") :] if "@" in given else given
        raise SetupError(
            f"{shown!r} is not the URL of a database: write sqlite:///name.db or"
            f" postgresql://user:password@host/name (in the code or in {SETTING})."
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise SetupError(
            f"{parsed.render_as_string()!r}: hipflask keeps its rows in SQLite (sqlite:///name.db)"
            " or PostgreSQL (postgresql://user:password@host/name)."
        )
    return parsed.set(drivername="sqlite+pysqlite", database=str(_file(parsed, instance_path)))


def _file(url: URL, instance_path: str | None) -> Path:
    name = url.database
    if not name or name == ":memory:" or "\0" in name or url.query:
        raise SetupError(
            f"{url.render_as_string()!r}: several threads and processes write to the store, so it"
            " is a plain file: sqlite:///name.db."
        )
    folder = Path(instance_path or os.curdir).absolute()
    path = folder / name
    if instance_path is not None and path.parent == folder:
        folder.mkdir(parents=True, exist_ok=True)
    if not os.path.isdir(path.parent):  # which a name that is too long is not
        raise SetupError(f"{path}: the folder {path.parent} does not exist: make it first.")
    refuse_network(path)
    return path


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """SetupError if the file would be on a network file system. `mounts`: as /proc/mounts."""
    if mounts is None:
        if sys.platform != "linux":
            return
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
    kind = file_system(path.resolve(), mounts)
    if kind in _NETWORK or kind.removeprefix("fuse.") in _NETWORK_FUSE:
        raise SetupError(
            f"{path} is on a network file system ({kind}), where SQLite loses what it has"
            " promised: use a local disk, or postgresql://."
        )


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that `path` is on, by lines as of /proc/mounts."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Spaces, tabs, newlines and backslashes are written in octal there.
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
        # A later line covers an earlier one of the same place.
        if (point == path or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind
