"""Addresses and certificates: from what the user wrote to sockets that listen.

The process the user started opens the listening sockets and hands them to whatever serves.
So a port that is in use is noticed before anything else happens, port 0 works with many
workers, and while a worker restarts its callers wait in the queue instead of being refused.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from .terminal import refuse

# Connections the kernel keeps for us between two accepts, or while a worker starts.
QUEUE = 2048


@dataclass(frozen=True)
class Listener:
    """A socket that listens, and the words for it.

    `path` is set for a unix socket, `shares` where the kernel spreads a port's connections
    over several such sockets.
    """

    sock: socket.socket
    address: str
    path: str | None = None
    shares: bool = False

    def another(self) -> Listener:
        """Return one more socket on the same port, open or closed as this one may be."""
        sock = socket.socket(self.sock.family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _prepare(sock)
        _listen(sock, _host_and_port(self.address), self.address)
        return Listener(sock, self.address, shares=True)

    def url(self, scheme: str = "http") -> str:
        """Return what to type into a browser, or `unix:PATH`."""
        return f"unix:{self.path}" if self.path else f"{scheme}://{self.address}"

    def close(self) -> None:
        """Stop listening from this process and take a unix socket's file away."""
        self.sock.close()
        if self.path is not None:
            with suppress(FileNotFoundError):
                os.unlink(self.path)


def bind_of(host: str, port: int) -> str:
    """Return the bind for `run`'s host and port; a host `unix:///path` is a unix socket."""
    if host.startswith("unix:"):
        return "unix:" + host.removeprefix("unix:").removeprefix("//")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_bind(bind: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `:PORT`, `[::1]:PORT` or `HOST` (port 8000)."""
    host, colon, digits = bind.rpartition(":")
    if not colon or (bind.startswith("[") and bind.endswith("]")):
        host, digits = bind, "8000"
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not digits.isascii() or not digits.isdigit() or int(digits) > 65535 or not bind:
        refuse(
            f"cannot listen on {bind!r}: expected HOST:PORT with a port from 0 to 65535, "
            "or unix:/path/of/socket"
        )
    return host or "0.0.0.0", int(digits)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`: a name is one only if `localhost`."""
    if host.startswith("unix:"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def open_listener(bind: str) -> Listener:
    """Return a socket that listens on `bind`; ends the process with one line if it cannot."""
    if bind.startswith("unix:"):
        return _open_unix(bind.removeprefix("unix:").removeprefix("//"))
    host, port = split_bind(bind)
    return _open_tcp(host, port)


def open_for_workers(bind: str, workers: int) -> list[Listener]:
    """Return what each of several workers is to accept from; one may stand for all.

    On Linux each gets a socket of its own: on one socket for all, the worker that is awake
    takes 59 of 64 connections (measured with two). The sockets belong to the caller, so what
    waits in them is still there for the worker's successor.
    """
    first = open_listener(bind)
    if workers == 1 or first.path is not None or sys.platform != "linux":
        return [first] * workers
    # Asked for alone first, as sockets that share a port say nothing of a stranger on it.
    first.sock.close()
    return [first.another() for _ in range(workers)]


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _open_tcp(host: str, port: int) -> Listener:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    _prepare(sock)
    _listen(sock, (host, port), f"port {port} on {host}")
    bound = sock.getsockname()[1]
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return Listener(sock, f"{shown}:{bound}")


def _prepare(sock: socket.socket) -> None:
    if sys.platform == "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _open_unix(path: str) -> Listener:
    if not hasattr(socket, "AF_UNIX"):
        refuse(f"cannot listen on unix:{path}: this system has no unix sockets; use HOST:PORT")
    path = os.path.abspath(path)
    _clear_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _listen(sock, path, f"unix:{path}")
    return Listener(sock, path, path)


def _clear_stale(path: str) -> None:
    """Remove a socket file that nobody listens on, as a killed server leaves one behind."""
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        refuse(f"cannot listen on unix:{path}: a file that is no socket is there; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError as error:
            refuse(f"cannot listen on unix:{path}: {error.strerror}")
        else:
            refuse(f"unix:{path} is in use by another program: stop it, or bind elsewhere")


def _listen(sock: socket.socket, address: object, name: str) -> None:
    try:
        sock.bind(address)  # type: ignore[arg-type]  # str or tuple, as the family wants it
        sock.listen(QUEUE)
    except OSError as error:
        sock.close()
        refuse(_why_not(error, name))
    sock.setblocking(False)


def _why_not(error: OSError, name: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {name}: no such host ({error.strerror})"
    if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", None)):
        return f"{name} is in use by another program: stop it, or choose another port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"cannot listen on {name}: not permitted to this user; ports from 1024 up are"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {name}: this machine has no such address"
    return f"cannot listen on {name}: {error.strerror or error}"


def check_tls(certfile: str | None, keyfile: str | None) -> tuple[str, str] | None:
    """Return absolute paths of a certificate and its key that fit together, or None for none."""
    if certfile is None and keyfile is None:
        return None
    if certfile is None or keyfile is None:
        given, absent = ("keyfile", "certfile") if certfile is None else ("certfile", "keyfile")
        refuse(f"TLS needs both files: {given} is given, {absent} is not")
    import ssl  # costly, and for TLS only

    for kind, path in (("certificate", certfile), ("key", keyfile)):
        if not os.path.isfile(path):
            refuse(f"cannot read the TLS {kind}: no file {path!r}")
    try:
        # A password callback, or OpenSSL would stop and ask on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, _no_password)
    except (OSError, ValueError) as error:
        refuse(f"cannot use {certfile!r} with {keyfile!r} for TLS: {error}")
    return os.path.abspath(certfile), os.path.abspath(keyfile)


def _no_password() -> str:
    raise ValueError("the key is protected by a password; store it without one")


def file_limit() -> int:
    """Return how many files a process here may have open, after raising that to 65,536 at most."""
    try:
        import resource  # not on Windows
    except ImportError:
        return 8192
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised: Callable[[int, tuple[int, int]], None] = resource.setrlimit
        raised(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return 65536 if soft == resource.RLIM_INFINITY else min(soft, 65536)


def connection_limit() -> int:
    """Return how many connections a worker takes: silent ones cost little, a full one is deaf."""
    limit = file_limit()
    # The rest is for the app's own files and database connections.
    return max(limit - 256, limit // 2)
