"""The proxy on real servers: large bodies, back-pressure, clients that leave."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from .gigabyte import (
    LIMIT_MB,
    Behind,
    Memory,
    download,
    measure,
    read_head,
    served,
    upload,
    wait_until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# What may lie between the two ends: the sockets' buffers, and the window of the door.
BETWEEN_BYTES = 24 << 20
LARGE_BYTES = 256 << 20


@pytest.fixture(scope="module", params=["rsgi", "uvicorn", "gunicorn"])
def between(request: pytest.FixtureRequest) -> Iterator[tuple[int, int, Behind]]:
    behind = Behind()
    with served(request.param, behind.url) as (port, pid):
        # What the first body takes, whatever its length, is taken before anything is measured.
        assert download(port, 8 << 20) == upload(port, 8 << 20) == 8 << 20
        yield port, pid, behind
    behind.close()


@pytest.mark.parametrize("server", ["rsgi", "uvicorn", "gunicorn"])
def test_a_large_body_takes_no_memory(server: str) -> None:
    """The short form of `python -m tests.forward.gigabyte`."""
    for made in measure(server, 48 << 20):
        assert made.growth_mb < LIMIT_MB, made


def test_a_client_that_does_not_read_holds_the_service_back(
    between: tuple[int, int, Behind],
) -> None:
    port, pid, behind = between
    memory, before = Memory(pid), behind.sent
    behind.ended.clear()
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(f"GET /down/{LARGE_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        peer.recv(1024)
        stands = at_rest(lambda: behind.sent - before)
        assert 0 < stands < BETWEEN_BYTES
        assert memory.growth_mb() < LIMIT_MB
    # It has left, so the service behind is left as well.
    wait_until(behind.ended.is_set)
    assert behind.sent - before < LARGE_BYTES


def test_a_service_that_does_not_read_holds_the_client_back(
    between: tuple[int, int, Behind],
) -> None:
    port, pid, behind = between
    behind.reads.clear()
    memory, pushed = Memory(pid), 0
    with socket.create_connection(("127.0.0.1", port)) as peer:
        head = f"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE_BYTES}\r\n\r\n"
        peer.sendall(head.encode())
        peer.settimeout(1.0)
        try:
            while pushed < LARGE_BYTES:
                pushed += peer.send(b"x" * 65536)
        except TimeoutError:
            pass
        assert pushed < BETWEEN_BYTES
        assert memory.growth_mb() < LIMIT_MB
        behind.ended.clear()
    # It has left in the middle: the service behind never gets a whole body.
    behind.reads.set()
    wait_until(behind.ended.is_set)


def test_clients_that_leave_use_up_no_connections(between: tuple[int, int, Behind]) -> None:
    """Whenever they leave: at once, with a part of the answer, with all of it."""
    port, _, behind = between
    for number in range(90):
        size = LARGE_BYTES if number % 3 else 20_000
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(f"GET /down/{size} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            if number % 3 == 0:
                peer.recv(30_000)
            elif number % 3 == 1:
                peer.recv(1024)
    # A few may be kept for the next request; each that was cut is closed.
    wait_until(lambda: behind.open <= 8)
    assert download(port, 100_000) == 100_000


def test_a_client_that_leaves_before_the_answer_frees_the_service(
    between: tuple[int, int, Behind],
) -> None:
    """Where the door can tell: WSGI servers notice when they write."""
    port, _, behind = between
    behind.ended.clear()
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(f"GET /down/{LARGE_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        with peer.makefile("rb") as file:
            read_head(file)
    wait_until(behind.ended.is_set)


def at_rest(number: object) -> int:
    """The value of a count once it has stood still for a while."""
    seen, still = -1, 0

    def is_still() -> bool:
        nonlocal seen, still
        now = number()  # type: ignore[operator]
        still = still + 1 if now == seen and now else 0
        seen = now
        return still > 25

    wait_until(is_still)
    return seen
