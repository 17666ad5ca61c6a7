"""Servers on loopback that do what a test says, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Arrived:
    """A request as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        rows = self.head.decode("latin-1").split("\r\n")[1:]
        return [
            (row.partition(":")[0].lower(), row.partition(":")[2].strip()) for row in rows if row
        ]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


@dataclass
class RawServer:
    """Answers each connection's request with the bytes that `answer` gives, then closes."""

    answer: Callable[[Arrived, socket.socket], bytes | None]
    arrived: list[Arrived] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def raw_server(answer: Callable[[Arrived, socket.socket], bytes | None]) -> Iterator[RawServer]:
    """A server whose answers are bytes, well-formed or not."""
    server = RawServer(answer)
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    is_over = threading.Event()
    held: list[socket.socket] = []

    def serve(peer: socket.socket) -> None:
        with peer:
            try:
                request = read_request(peer)
                if request is None:
                    return
                server.arrived.append(request)
                made = answer(request, peer)
                if made is not None:
                    peer.sendall(made)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            if is_over.is_set():
                peer.close()
                return
            server.connections += 1
            held.append(peer)
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        is_over.set()
        # Closing alone leaves accept() waiting.
        with socket.socket() as last:
            last.connect_ex(("127.0.0.1", server.port))
        thread.join(10)
        listener.close()
        for peer in held:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            peer.close()


def read_request(peer: socket.socket) -> Arrived | None:
    """One request with a length or in chunks; None where the peer left before its head ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    found = Arrived(head, b"")
    length = found.get("content-length")
    if length is not None:
        while len(body) < int(length):
            piece = peer.recv(65536)
            if not piece:
                break
            body += piece
    elif found.get("transfer-encoding"):
        while not body.endswith(b"0\r\n\r\n"):
            piece = peer.recv(65536)
            if not piece:
                break
            body += piece
        body = join_chunks(body)
    return Arrived(head, body)


def join_chunks(data: bytes) -> bytes:
    made = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        number = int(size, 16)
        if number == 0:
            break
        made, data = made + data[:number], data[number + 2 :]
    return made


def answer_with(
    status: str = "200 OK", body: bytes = b"", *fields: tuple[str, str]
) -> Callable[[Any, Any], bytes]:
    """What `raw_server` takes, for one answer to all."""
    made = answer_bytes(status, body, *fields)
    return lambda request, peer: made


def answer_bytes(status: str, body: bytes, *fields: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields)]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
