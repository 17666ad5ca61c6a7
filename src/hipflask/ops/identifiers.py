"""What a request is found by in logs: the id a trusted proxy gave it, or one made here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from ..scaffold import SetupError
from .digits import draw

#: Where the id stands in a request, and in the response.
FIELD = "X-Request-ID"
# Longer than a UUID or a trace's id need; nothing that means something in a shell, page or log.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{3,127}", re.ASCII)
_PEERS_KEPT = 1024


def new_id(head: Any = None) -> str:
    """16 hex digits."""
    return draw()


def is_safe(text: str) -> bool:
    """Whether a request may be called that: 4 to 128 letters, digits, "_", "." and "-"."""
    return _SAFE.fullmatch(text) is not None


def trusting(peers: Iterable[str] | str) -> Callable[[Any], str]:
    """What names a request: as its X-Request-ID says, if one of `peers` sent it.

    They are addresses and networks, "unix" for a unix socket, "*" for everybody. Raises
    SetupError for what is none of these.
    """
    given = [peers] if isinstance(peers, str) else list(peers)
    if not given:
        return new_id
    trusts_all, trusts_unix = "*" in given, "unix" in given
    networks = [_network(peer) for peer in given if peer not in ("*", "unix")]
    known: dict[str, bool] = {}

    def is_trusted(address: str) -> bool:
        try:
            peer: Any = ip_address(address)
        except ValueError:
            return trusts_unix and address in ("", "unix", "unix:")
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in networks)

    def name(head: Any) -> str:
        sent: str | None = head.header("x-request-id")
        if sent is None or not is_safe(sent):
            return draw()
        if not trusts_all:
            address = peer_of(head)
            trusted = known.get(address)
            if trusted is None:
                trusted = is_trusted(address)
                if len(known) < _PEERS_KEPT:
                    known[address] = trusted
            if not trusted:
                return draw()
        return sent

    return name


def peer_of(head: Any) -> str:
    """The address that the connection comes from, whatever a proxy's fields say."""
    environ = getattr(head, "environ", None)
    if isinstance(environ, dict):
        # ProxyFix puts the caller's address there and keeps the peer's.
        kept = environ.get("werkzeug.proxy_fix.orig")
        return (kept or environ).get("REMOTE_ADDR") or ""
    return "" if head.client is None else head.client[0]


def _network(peer: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(peer, strict=False)
    except ValueError:
        raise SetupError(
            f"REQUEST_ID_FROM: {peer!r} is neither an address, nor a network such as"
            " '10.0.0.0/24', nor 'unix', nor '*' for everybody."
        ) from None
