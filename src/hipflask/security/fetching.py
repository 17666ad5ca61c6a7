"""Fetches a small document from a service that was named in the settings, or that one named.

Bounded in every direction: one deadline for all of it, so many bytes, no redirects. The name is
looked up once, every address it has is judged, and the connection goes to one that was: what a
service names may be neither on this machine nor in its network, unless the service itself is.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S = 5.0
MOST_BYTES = 256 * 1024
# Addresses of one name that are tried.
_MOST_ADDRESSES = 3
_LOCAL = ("127.0.0.1", "::1", "localhost")


class FetchFailed(OSError):
    """Nothing was had: the text says of what and why, without anything that was sent."""


def check_url(url: str) -> SplitResult:
    """The parts of an https URL, or of http on this machine; ValueError for another."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOCAL
    if not parts.hostname or not (parts.scheme == "https" or is_local):
        raise ValueError(f"{url!r} is no https URL")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.username is not None or parts.fragment or not is_plain:
        raise ValueError(f"{url!r} is out of the ordinary for the URL of a service")
    parts.port  # noqa: B018 - ValueError for one that is none
    return parts


def fetch(
    url: str,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    private: Collection[str] = (),
    timeout_s: float = TIMEOUT_S,
    most_bytes: int = MOST_BYTES,
) -> tuple[int, bytes]:
    """GET `url`, or POST `data` to it: the status and the body. Blocks for `timeout_s` at most.

    Only hosts in `private` may have addresses that are not of the internet. Raises FetchFailed
    for redirects, for more than `most_bytes`, and where the service does not answer in time.
    """
    import http.client  # only who fetches something pays for it

    ends_at = time.monotonic() + timeout_s
    try:
        parts = check_url(url)
        addresses = _addresses(parts, parts.hostname in private, ends_at)
        sock = _connect(parts, addresses, ends_at)
    except (ValueError, OSError) as error:
        raise FetchFailed(f"{_named(url)}: {error}") from error
    # Also ends what sends a byte now and then: each of them would begin a time-out anew.
    cut = threading.Timer(max(0.0, ends_at - time.monotonic()), _cut, (sock,))
    cut.daemon = True
    cut.start()
    try:
        if parts.scheme == "https":
            sock.do_handshake()
        return _exchange(parts, sock, data, headers or {}, most_bytes)
    except (ValueError, OSError, http.client.HTTPException) as error:
        late = time.monotonic() >= ends_at
        text = f"no answer in {timeout_s:g} s" if late else str(error) or type(error).__name__
        raise FetchFailed(f"{_named(url)}: {text}") from error
    finally:
        cut.cancel()
        sock.close()


def fetch_json(url: str, **options: Any) -> Any:
    """The JSON document at `url`; FetchFailed for another status than 200, and for no JSON."""
    status, body = fetch(url, **options)
    if status != 200:
        raise FetchFailed(f"{_named(url)}: answered {status}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise FetchFailed(f"{_named(url)}: sent no JSON") from None


def _exchange(
    parts: SplitResult,
    sock: Any,
    data: bytes | None,
    headers: Mapping[str, str],
    most_bytes: int,
) -> tuple[int, bytes]:
    import http.client  # as above

    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    connection.sock = sock
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, "Accept": "application/json", "Connection": "close", **headers}
    connection.request("GET" if data is None else "POST", target, data, fields)
    answer = connection.getresponse()
    if 300 <= answer.status < 400:
        raise ValueError("it redirects, which is not followed")
    body = answer.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise ValueError(f"it sent more than {most_bytes} bytes")
    if answer.length:
        raise ValueError("its answer was cut short")
    return answer.status, body


def _addresses(parts: SplitResult, may_be_private: bool, ends_at: float) -> list[str]:
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = [str(each[4][0]) for each in _look_up(host, port, ends_at)]
    if not found:
        raise ValueError("its host has no address")
    if not may_be_private:
        for address in found:
            plain = ip_address(address.partition("%")[0])
            plain = getattr(plain, "ipv4_mapped", None) or plain
            if plain.is_multicast or not plain.is_global:
                raise ValueError(f"its host has the address {address}, which is not public")
    return list(dict.fromkeys(found))[:_MOST_ADDRESSES]


def _look_up(host: str, port: int, ends_at: float) -> list[Any]:
    """`getaddrinfo`, which has no time-out of its own, in a thread that is left behind."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="hipflask-look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.01, ends_at - time.monotonic()))
    except queue.Empty:
        raise OSError("its host was not found in time") from None
    if isinstance(answer, Exception):
        raise OSError(f"its host was not found: {answer}") from answer
    found: list[Any] = answer
    return found


def _connect(parts: SplitResult, addresses: list[str], ends_at: float) -> Any:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    failure: OSError = OSError("it cannot be reached")
    for number, address in enumerate(addresses):
        left_s = (ends_at - time.monotonic()) / (len(addresses) - number)
        if left_s <= 0:
            break
        try:
            sock = socket.create_connection((address, port), timeout=left_s)
        except OSError as error:
            failure = error
            continue
        if parts.scheme == "http":
            return sock
        import ssl  # as above

        return ssl.create_default_context().wrap_socket(
            sock, server_hostname=parts.hostname, do_handshake_on_connect=False
        )
    raise failure


def _cut(sock: Any) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _named(url: str) -> str:
    """The URL without its query, for a log."""
    return url.partition("?")[0][:200]
