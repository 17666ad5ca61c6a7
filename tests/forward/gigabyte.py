"""A large body through the proxy, each way, and what memory that takes.

    python -m tests.forward.gigabyte                 # 1 GiB each way, on each server
    python -m tests.forward.gigabyte --mb 64 --server rsgi

Prints a line per server and way, and ends with 1 where memory grew by more than 32 MB.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SERVERS = ("rsgi", "uvicorn", "gunicorn", "wsgi")
LIMIT_MB = 32.0
PIECE = bytes(range(256)) * 1024


class Behind:
    """The service behind: sends and takes bodies of any length, and counts them."""

    def __init__(self) -> None:
        self.sent = self.taken = 0
        #: While it is clear, nothing is read of what is uploaded.
        self.reads = threading.Event()
        self.reads.set()
        self.ended = threading.Event()
        #: Connections that are open.
        self.open = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        self.open += 1
        try:
            with peer, peer.makefile("rb") as file:
                while self._answer(peer, file):
                    pass
        except OSError:
            pass
        finally:
            self.open -= 1
            self.ended.set()

    def _answer(self, peer: socket.socket, file: Any) -> bool:
        line = file.readline().decode()
        if not line:
            return False
        fields = {}
        while (row := file.readline()) not in (b"\r\n", b""):
            name, _, value = row.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        if line.startswith("GET"):
            size = int(line.split()[1].rpartition("/")[2])
            peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            while size > 0:
                piece = PIECE[:size]
                peer.sendall(piece)
                size -= len(piece)
                self.sent += len(piece)
            return True
        left, count = int(fields["content-length"]), 0
        while left:
            self.reads.wait()
            piece = file.read1(min(left, 65536))
            if not piece:
                return False
            left -= len(piece)
            count += len(piece)
            self.taken += len(piece)
        text = str(count).encode()
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        return True

    def close(self) -> None:
        self.reads.set()
        self._listener.close()


def command(server: str, port: int) -> list[str]:
    module = "tests.forward.served_proxy:app"
    where = f"127.0.0.1:{port}"
    if server == "uvicorn":
        return ["-m", "uvicorn", "--port", str(port), "--log-level", "warning", module]
    if server == "gunicorn":
        return ["-m", "gunicorn", "-b", where, "-k", "gthread", "--threads", "4", module]
    return ["-m", "hipflask", "--app", module, "serve", "--interface", server, "--bind", where]


@contextmanager
def served(server: str, behind: str) -> Iterator[tuple[int, int]]:
    """The proxy on a server; gives the port and the process's id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    env = {**os.environ, "PYTHONPATH": path, "BEHIND": behind}
    process = subprocess.Popen(
        [sys.executable, *command(server, port)], env=env, cwd=ROOT, stdout=2
    )
    try:
        wait_until(lambda: is_listening(port, process))
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def is_listening(port: int, process: subprocess.Popen[Any]) -> bool:
    assert process.poll() is None, "the server ended"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_so: Callable[[], bool], patience_s: float = 60.0) -> None:
    end = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Memory:
    """The most memory that the largest of a process and its children takes, in MB."""

    def __init__(self, pid: int) -> None:
        self._pids = [pid, *children_of(pid)]
        self.before = {pid: resident_mb(pid) for pid in self._pids}
        self.most = dict(self.before)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._is_over.wait(0.02):
            for pid in self._pids:
                self.most[pid] = max(self.most[pid], resident_mb(pid))

    def growth_mb(self) -> float:
        self._is_over.set()
        self._thread.join()
        return max(self.most[pid] - self.before[pid] for pid in self._pids)


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += [int(entry.name), *children_of(int(entry.name))]
    return found


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def download(port: int, size: int) -> int:
    """Fetch `size` bytes through the proxy; returns how many came."""
    with socket.create_connection(("127.0.0.1", port)) as peer, peer.makefile("rb") as file:
        peer.sendall(f"GET /down/{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        read_head(file)
        count = 0
        while piece := file.read1(1 << 20):
            count += len(piece)
        return count


def upload(port: int, size: int) -> int:
    """Send `size` bytes through the proxy; returns how many the service behind says came."""
    with socket.create_connection(("127.0.0.1", port)) as peer, peer.makefile("rb") as file:
        head = f"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        peer.sendall(head.encode())
        while size > 0:
            piece = PIECE[:size]
            peer.sendall(piece)
            size -= len(piece)
        read_head(file)
        return int(file.read() or 0)


def read_head(file: Any) -> bytes:
    line: bytes = file.readline()
    assert b" 200 " in line, line
    while file.readline() not in (b"\r\n", b""):
        pass
    return line


@dataclass
class Passage:
    server: str
    way: str
    mb: float
    seconds: float
    growth_mb: float


def measure(server: str, size: int) -> Iterator[Passage]:
    """Both ways through the proxy on one server, after a small body each."""
    behind = Behind()
    try:
        with served(server, behind.url) as (port, pid):
            for way, call in (("down", download), ("up", upload)):
                # The memory that the first body takes, whatever its length, was taken before.
                assert call(port, 8 << 20) == 8 << 20
                memory, begun = Memory(pid), time.monotonic()
                assert call(port, size) == size, f"{server}, {way}: not all of it came"
                seconds = time.monotonic() - begun
                yield Passage(server, way, size / 1e6, seconds, memory.growth_mb())
    finally:
        behind.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=1024, help="size in MiB")
    parser.add_argument("--server", choices=SERVERS, action="append")
    options = parser.parse_args()
    worst = 0.0
    for server in options.server or SERVERS:
        for made in measure(server, options.mb << 20):
            worst = max(worst, made.growth_mb)
            print(
                f"{made.server:9} {made.way:4} {made.mb:7.0f} MB in {made.seconds:6.1f} s,"
                f" {made.mb / made.seconds:5.0f} MB/s, memory +{made.growth_mb:.1f} MB",
                flush=True,
            )
    print(f"most memory: +{worst:.1f} MB (limit {LIMIT_MB:.0f})")
    return 1 if worst > LIMIT_MB else 0


if __name__ == "__main__":
    sys.exit(main())
