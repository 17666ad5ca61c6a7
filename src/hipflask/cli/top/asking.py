"""Where a service is, and what it says of itself."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from hipflask.server import rundir

#: How long a service may take to answer, which may have to wait for a worker that is stuck.
PATIENCE_S = 5.0
START = "start it with 'hipflask serve --ops-bind 127.0.0.1:9090'"


class NoAnswer(Exception):
    """There is no service, or none that answers as one; the text is for the user."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Service:
    """A running service, by the URL of its ops port or the path of its socket."""

    def __init__(self, place: str, token: str = "") -> None:
        self.place = place
        self._token = token

    def status(self) -> dict[str, t.Any]:
        """What it says now; NoAnswer if it does not."""
        connection = self._connection()
        fields = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request("GET", "/status", headers=fields)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from {self.place}: {error}; {START}") from None
        finally:
            connection.close()
        if answer.status == 401:
            raise NoAnswer(f"{self.place} wants a token: set HIPFLASK_TOP_TOKEN to it")
        try:
            found: dict[str, t.Any] = json.loads(body) if answer.status == 200 else {}
            found["workers"], found["figures"], found["at_s"]
        except (ValueError, KeyError, TypeError):
            raise NoAnswer(
                f"{self.place} is no ops port of hipflask (status {answer.status}): name the one"
                " that 'hipflask serve --ops-bind' tells"
            ) from None
        return found

    def _connection(self) -> http.client.HTTPConnection:
        if not self.place.startswith(("http://", "https://")):
            return _UnixConnection(self.place)
        parts = urlsplit(self.place)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else _Plain
        try:
            return kind(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        except ValueError as error:
            raise NoAnswer(f"cannot use {self.place!r} as an address: {error}", 2) from None


_Plain = http.client.HTTPConnection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        if sys.platform == "win32":
            raise OSError("this system has no unix sockets: use the URL")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def find(place: str | None, token: str = "") -> Service:
    """The service at a URL, an address, a socket or a folder; without any, the one that runs."""
    if place is None:
        return Service(_only(rundir.root()), token)
    if place.startswith(("http://", "https://")):
        return Service(place.rstrip("/"), token)
    path = Path(place.removeprefix("unix:"))
    if path.is_dir():
        own = path / rundir.SOCKET
        return Service(str(own) if own.exists() else _only(path), token)
    if path.exists() or os.sep in place:
        return Service(str(path), token)
    return Service(f"http://{place}", token)


def _only(root: Path) -> str:
    """The socket of the one service under a folder of services; NoAnswer for none or several."""
    found = [each / rundir.SOCKET for each in rundir.folders(root) if rundir.answers(each)]
    if not found:
        raise NoAnswer(f"no service runs under {root}: {START}, or name its URL")
    if len(found) > 1:
        names = "\n".join(f"  hipflask top {each.parent}" for each in found)
        raise NoAnswer(f"{len(found)} services run under {root}; name one:\n{names}", 2)
    return str(found[0])
