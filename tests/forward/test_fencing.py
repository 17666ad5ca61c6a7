"""Behind a fence nobody is reached, and what was tried is known."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from hipflask.forward.fencing import Refused, fenced_off


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connects(address: tuple[str, int]) -> None:
    socket.create_connection(address, timeout=5).close()


def sends(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", address)


async def connects_async(address: tuple[str, int]) -> None:
    _, writer = await asyncio.open_connection(*address)
    writer.close()
    await writer.wait_closed()


def test_refuses_sockets_programs_and_names(listener: socket.socket) -> None:
    address = listener.getsockname()
    attempts = [
        lambda: connects(address),
        lambda: asyncio.run(connects_async(address)),
        lambda: socket.getaddrinfo("example.org", 443),
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/"),
        lambda: sends(address),
        lambda: subprocess.run([sys.executable, "-c", ""]),
        lambda: os.system("true"),
    ]
    for number, attempt in enumerate(attempts):
        with fenced_off() as fence, pytest.raises(OSError):
            attempt()
        assert fence.attempts, number
    connects(address)


def test_a_library_meets_a_refused_connection(listener: socket.socket) -> None:
    with fenced_off(), pytest.raises(ConnectionRefusedError) as caught:
        connects(listener.getsockname())
    assert isinstance(caught.value, Refused)


def test_a_fence_for_the_whole_process_holds_in_threads_that_the_code_starts(
    listener: socket.socket,
) -> None:
    failures: list[OSError] = []

    def run() -> None:
        try:
            connects(listener.getsockname())
        except OSError as error:
            failures.append(error)

    with fenced_off(whole_process=True) as fence:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert len(failures) == 1
    assert fence.attempts[0][0] in ("socket.getaddrinfo", "socket.connect")


def test_other_threads_connect_beside_a_fence_of_one_context(listener: socket.socket) -> None:
    outcome: list[str] = []

    def run() -> None:
        connects(listener.getsockname())
        outcome.append("connected")

    with fenced_off():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert outcome == ["connected"]
