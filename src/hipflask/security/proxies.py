"""Who calls, as the proxy in front says: it logs people in, and puts their name into a field."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from ..scaffold import SetupError
from ..wrappers import Request
from .identity import Identity, Refused

_LONGEST = 256


class ProxyHeader:
    """Knows who calls by a field that a proxy sets (oauth2-proxy, Authelia, an identity-aware
    proxy), believed only from the proxy's own address.

    `peers` are the addresses or networks of the proxy, as ("10.0.0.5", "10.1.0.0/24"), or
    "unix" for a unix socket; a field from anybody else is not looked at. `roles_header` names
    a field of roles, separated by commas. The proxy must remove both from what it is sent.
    Raises SetupError for peers that are none, or everybody.

        app.identities = [ProxyHeader("X-Forwarded-User", peers=["10.0.0.5"])]
    """

    #: It reads two fields and never waits.
    is_quick = True
    #: Who takes `X_User` for `X-User` lets anybody in: no server may that it is served by.
    needs_exact_names = True

    def __init__(
        self,
        header: str = "X-Forwarded-User",
        *,
        peers: Iterable[str],
        roles_header: str | None = None,
        name: str = "proxy",
    ) -> None:
        self.name = name
        self.header = header
        self.roles_header = roles_header
        given = [peers] if isinstance(peers, str) else list(peers)
        self._takes_unix = "unix" in given
        self._networks = [_network(peer) for peer in given if peer != "unix"]
        if not given:
            raise SetupError("ProxyHeader(peers=[]): say which address the proxy calls from.")

    def identify(self, request: Request, /) -> Identity | None:
        """Who the proxy says calls; None without the field, or from somebody else."""
        user = request.headers.get(self.header)
        if not user or not self._is_peer(request.environ):
            return None
        # Sent twice, a field arrives joined with a comma: the proxy did not remove the caller's.
        if len(user) > _LONGEST or "," in user or not user.isprintable():
            raise Refused
        roles = frozenset[str]()
        if self.roles_header is not None:
            text = request.headers.get(self.roles_header, "")
            roles = frozenset(role for part in text.split(",") if (role := part.strip()))
        return Identity(_utf8(user), roles=roles)

    def challenge(self, error: str = "", description: str = "") -> str:
        """None: people log in at the proxy, before they come here."""
        return ""

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """The Security Scheme Object for an OpenAPI document, with its name."""
        text = "Set by the proxy in front, which logs people in."
        scheme = {"type": "apiKey", "in": "header", "name": self.header, "description": text}
        return self.name, scheme

    def __repr__(self) -> str:
        return f"<ProxyHeader {self.header!r}>"

    def _is_peer(self, environ: dict[str, Any]) -> bool:
        # ProxyFix puts the caller's address there and keeps the peer's.
        before = environ.get("werkzeug.proxy_fix.orig")
        address = (before or environ).get("REMOTE_ADDR") or ""
        try:
            peer = ip_address(address)
        except ValueError:
            return self._takes_unix and address in ("", "unix", "unix:")
        mapped = getattr(peer, "ipv4_mapped", None) or peer
        return any(mapped in network for network in self._networks)


def _network(peer: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(peer, strict=False)
    except ValueError:
        raise SetupError(
            f"ProxyHeader(peers=...): {peer!r} is neither an address, nor a network such as"
            " '10.0.0.0/24', nor 'unix'."
        ) from None
    if network.prefixlen == 0:
        raise SetupError(
            f"ProxyHeader(peers=...): {peer!r} is everybody, and everybody could claim to be"
            " anybody. Give the address of the proxy."
        )
    return network


def _utf8(text: str) -> str:
    # Fields are read as Latin-1; proxies write names in UTF-8.
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
