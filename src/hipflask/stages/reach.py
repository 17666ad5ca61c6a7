"""Who can reach a prototype that nobody has to log in to: its own machine, and named addresses.

A connection from 127.0.0.1 is no proof of a person at this machine: a proxy on it forwards the
whole world from there. So a request from this machine also has to look like one that was made
on it: no field that proxies add, a Host (and Origin, and Referer) that names this machine, and
HTTP/1.1 or newer, as nginx comes with 1.0 unless told otherwise. A proxy that is declared with
`hipflask.guards.trust_proxies` says who calls, and then that address is judged.

What cannot be told: a proxy on this machine that adds no field, replaces Host with an address
of this machine and speaks HTTP/1.1. Whoever sets one up needs `app.identities`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..ctx import RequestContext
from .record import TABLE, RecordError, read_tables

Network = IPv4Network | IPv6Network
KEY = "reach"
#: How the names of fields begin that proxies add.
_ADDED = (
    "forwarded", "x-forwarded", "x-real-ip", "via", "x-client-ip", "x-cluster-client-ip",
    "true-client-ip", "cf-", "fastly-", "x-envoy-", "x-original-", "x-proxyuser-ip", "x-scheme",
    "x-url-scheme", "x-proto", "front-end-https", "proxy-connection", "x-appengine-", "fly-",
)  # fmt: skip
#: Those of them that a server may keep to itself, as Granian does where a value is not ASCII.
_HIDDEN = (
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
    "x-forwarded-server", "x-forwarded-prefix", "x-real-ip", "x-client-ip", "true-client-ip",
    "via", "cf-connecting-ip",
)  # fmt: skip
#: How HTTP/1.0 and its like are called by servers; Granian says "1".
_OLD = ("0.9", "1.0", "1")
_LOCAL_NAMES = {"localhost", "ip6-localhost"}
PROXIED = (
    "This is a prototype without a login, and the request came through a proxy. Declare the proxy"
    " with hipflask.guards.trust_proxies, or set app.identities."
)
FOREIGN = (
    "This is a prototype without a login: it answers its own machine and the addresses of its"
    " allow-list only."
)


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peers: list[str] = []


def read_peers(path: Path) -> tuple[Network, ...]:
    """The allow-list, `peers` of `[tool.hipflask.reach]`: addresses and networks.

    Raises RecordError for what is none, or everybody.
    """
    where = f"{path}, {TABLE}.{KEY}"
    try:
        peers = msgspec.convert(read_tables(path).get(KEY, {}), _Table).peers
    except msgspec.ValidationError as error:
        raise RecordError(f'{where}: {error}. Write peers = ["10.1.2.0/24"].') from None
    return tuple(_networks(peers, f"{where}.peers"))


def _networks(peers: Iterable[str], where: str) -> Iterable[Network]:
    for text in peers:
        try:
            found = ip_network(text, strict=False)
        except ValueError as error:
            raise RecordError(f"{where}: {text!r} is no address and no network: {error}.") from None
        if found.prefixlen == 0:
            raise RecordError(
                f"{where}: {text!r} is everybody. Name the networks of those who try the"
                " prototype, or set app.identities so that they log in."
            )
        yield found


def refusal(ctx: RequestContext, peers: Iterable[Network], proxies: Any) -> str | None:
    """Why the request is not answered, None for one that is.

    `proxies` is what `trust_proxies` made, None without it. ProxyFix and the like declare
    nobody: they believe any caller.
    """
    peer, named = _addresses(ctx)
    names = {name.lower().replace("_", "-") for name, _ in ctx.request.headers}
    exchange: Any = ctx._exchange
    if exchange is not None:
        names.update(name for name in _HIDDEN if exchange.is_hidden(name))
    if proxies is None:
        if any(name.startswith(_ADDED) for name in names):
            return PROXIED
    elif proxies.trusts(peer):
        # From the proxy itself, which has to say for whom.
        return None if named and _is_in(named, peers) else FOREIGN if named else PROXIED
    elif any(name.startswith(_ADDED) for name in names):
        return PROXIED
    if _is_in(peer, peers):
        return None
    if not _is_loopback(peer):
        return FOREIGN
    return None if _is_from_here(ctx) else PROXIED


def _addresses(ctx: RequestContext) -> tuple[str | None, str | None]:
    """Who is connected, and whom a declared proxy names; None for a unix socket, and nobody."""
    exchange: Any = ctx._exchange
    if exchange is not None:
        client = exchange.client[0] if exchange.client else None
        if exchange.peer is None:
            return client, None
        return exchange.peer[0] or None, client
    environ = ctx._environ
    before = environ.get("werkzeug.proxy_fix.orig")
    if before is None:
        return environ.get("REMOTE_ADDR") or None, None
    return before.get("REMOTE_ADDR") or None, environ.get("REMOTE_ADDR")


def _is_from_here(ctx: RequestContext) -> bool:
    request = ctx.request
    exchange: Any = ctx._exchange
    version = (
        ctx._environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/")
        if exchange is None
        else str(exchange.http_version)
    )
    if version in _OLD:
        return False
    told = [request.headers.get(name) for name in ("Origin", "Referer")]
    hosts = [_host_of(url) for url in told if url and url != "null"]
    return all(map(_is_this_machine, [_host_of(f"//{request.host}"), *hosts]))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_this_machine(host: str) -> bool:
    return host in _LOCAL_NAMES or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(address: str | None) -> bool:
    found = _parsed(address)
    return found is not None and found.is_loopback


def _is_in(address: str | None, networks: Iterable[Network]) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in networks)


def _parsed(address: str | None) -> Any:
    try:
        found: Any = ip_address(address or "")
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
