"""Shut a connection down under WSGI, where Granian tells neither its number nor its port.

It is looked for among this process's connections from the client's address. Where there are
several, as from a proxy, the one is taken that has sent `MARK` when the response was continued
with it: the response is to be cut, so that the client throws away what came of it.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress

MARK = b"\n"
# The most that a chunk of one byte is on the wire: HTTP/2 inside of TLS.
MARK_BYTES = 64
# How long a piece may take from Granian to the connection.
ON_ITS_WAY_S = 0.02
# Where `struct tcp_info` has the number of bytes sent; Linux 4.19 and later.
SENT = slice(200, 208)


class Search:
    """The connections that may be the one with a client; begin it when the last piece is out."""

    def __init__(self, client_host: str, server_port: int) -> None:
        time.sleep(ON_ITS_WAY_S)
        self._found = _connections(client_host, server_port)
        self._before = {one: _sent(one) for one in self._found}

    @property
    def needs_mark(self) -> bool:
        """Whether `MARK` has to be sent before `cut`."""
        return len(self._found) > 1

    def cut(self) -> None:
        """Shut the connection down. None if it cannot be told: the wrong one is another's."""
        try:
            if self.needs_mark:
                time.sleep(ON_ITS_WAY_S)
            fitting = [one for one in self._found if not self.needs_mark or self._has_mark(one)]
            if len(fitting) == 1:
                with suppress(OSError):
                    fitting[0].shutdown(socket.SHUT_RDWR)
        finally:
            for one in self._found:
                one.close()

    def _has_mark(self, connection: socket.socket) -> bool:
        return 0 < _sent(connection) - self._before[connection] <= MARK_BYTES


def _sent(connection: socket.socket) -> int:
    if not hasattr(socket, "TCP_INFO"):
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return 0
    return int.from_bytes(info[SENT], sys.byteorder)


def _connections(client_host: str, server_port: int) -> list[socket.socket]:
    """A copy of each of this process's sockets between the two."""
    found: dict[object, socket.socket] = {}
    for name in os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else ():
        with suppress(OSError):
            number = os.dup(int(name))
            try:
                copy = socket.socket(fileno=number)
            except OSError:
                os.close(number)
                continue
            peer, fits = _ends(copy, client_host, server_port)
            # The listing has a file that was open for it, and may be a copy of ours by now.
            if fits and peer not in found:
                found[peer] = copy
            else:
                copy.close()
    return list(found.values())


def _ends(connection: socket.socket, client_host: str, server_port: int) -> tuple[object, bool]:
    try:
        peer, own = connection.getpeername(), connection.getsockname()
        return peer, peer[0] == client_host and own[1] == server_port
    except (OSError, IndexError):  # a listening socket, one of Unix
        return None, False
