"""Whom to believe about who called: proxies, by the address they call from.

    trust_proxies(app, ["10.0.0.0/8"])

`X-Forwarded-For` and `X-Forwarded-Proto` (or `Forwarded`, RFC 7239) come from anybody. They are
read where the connection itself comes from one of these networks, and from the right: what
stands there the nearest proxy has written. `X-Forwarded-Host` and `-Prefix` are never read:
have the proxy pass Host on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from werkzeug.exceptions import BadRequest

from ..scaffold import SetupError
from .fields import Unsafe, is_guarded, set_up

_BOTH = "Forwarded and X-Forwarded fields were sent together, and one kind of them is expected."
_pair = re.compile(r'\s*([a-z]+)=(?:"([^"\\]*)"|([^\s;,"]*))\s*\Z', re.IGNORECASE).match


def trust_proxies(
    app: Any, networks: Iterable[str], *, hops: int = 1, forwarded: bool = False
) -> None:
    """Take the client's address and scheme from the proxies in these networks.

    `networks` are CIDR ranges or addresses, or "unix" for a unix socket; `hops` is the most
    proxies there are one behind the other. `forwarded` reads the field Forwarded in place of
    the X-Forwarded ones. The client is the rightmost address that is in none of the networks,
    `hops` entries back at most. A proxy's fields that are out of form, of both kinds at once,
    or that name several schemes are a 400. Raises SetupError for networks that are none, for
    everybody ("0.0.0.0/0"), and where this was called before.
    """
    if is_guarded(app, "proxies"):
        raise SetupError("trust_proxies was called before: give it all networks at once.")
    proxies = Proxies(networks, hops, forwarded)
    set_up(app, "proxies", proxies)
    app.extensions["hipflask.proxies"] = proxies.correct_exchange  # for WebSockets
    inner = app.wsgi_app
    if "wsgi_app" in vars(app):
        raise SetupError(
            "trust_proxies was called after middleware was put around app.wsgi_app, which would"
            " see the proxy as the client. Call it right after the application is made."
        )

    def wsgi_app(environ: Any, start_response: Any) -> Any:
        try:
            proxies.correct_environ(environ)
        except BadRequest as error:
            # As under the other doors: with the hooks and the fields of every answer.
            with app.request_context(environ) as ctx:
                ctx.request.routing_exception = error
                return app.full_dispatch_request()(environ, start_response)
        return inner(environ, start_response)

    #: For `sealing`: the other doors have this step, too, so it does not make them run WSGI.
    wsgi_app.keeps_doors = True  # type: ignore[attr-defined]
    app.wsgi_app = wsgi_app
    begin = app._begin

    def trusting(app: Any, plan: Any, exchange: Any) -> Any:
        try:
            proxies.correct_exchange(exchange)
        except BadRequest as error:
            ctx = begin(app, plan, exchange)
            ctx.request.routing_exception = error
            return ctx
        return begin(app, plan, exchange)

    app.__dict__["_begin"] = trusting


class Proxies:
    """The proxies in front: whom to believe, and what they say."""

    def __init__(self, networks: Iterable[str], hops: int = 1, forwarded: bool = False) -> None:
        given = [networks] if isinstance(networks, str) else list(networks)
        if not given:
            raise SetupError("trust_proxies(networks=[]): say where the proxy calls from.")
        if hops < 1:
            raise SetupError(f"trust_proxies(hops={hops}): there is one proxy at least.")
        self._takes_unix = "unix" in given
        self._networks = [_network(text) for text in given if text != "unix"]
        self._hops = hops
        self._forwarded = forwarded
        # Addresses judged before; a proxy has few, and a list of networks may be long.
        self._known: dict[str, bool] = {}

    def trusts(self, address: str | None) -> bool:
        """Whether the address is a proxy's. None, or no address at all, is a unix socket's."""
        key = address or ""
        known = self._known.get(key)
        if known is None:
            known = self._judge(key)
            if len(self._known) < 1024:
                self._known[key] = known
        return known

    def _judge(self, address: str) -> bool:
        try:
            found: Any = ip_address(address)
        except ValueError:
            return self._takes_unix and ("/" in address or not address)
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._networks)

    def client(self, peer: str | None, fields: Mapping[str, str]) -> tuple[str, str | None] | None:
        """The client's address, and the scheme or None for what the connection has.

        `fields` are by name in lower case. None where the peer is no proxy, or says nothing.
        Raises BadRequest.
        """
        if not self.trusts(peer):
            return None
        is_both = "forwarded" in fields and (
            "x-forwarded-for" in fields or "x-forwarded-proto" in fields
        )
        if is_both:
            raise BadRequest(_BOTH)
        addresses, schemes = self._parse(fields)
        if not addresses and not schemes:
            return None
        found = peer or ""
        for text in addresses[: -self._hops - 1 : -1]:
            if text == "unknown" or text.startswith("_"):  # RFC 7239, 6.2 and 6.3
                break
            found = _address(text)
            if not self.trusts(found):
                break
        told = {scheme.lower() for scheme in schemes[-self._hops :]}
        if len(told) > 1 or not told <= {"http", "https"}:
            raise BadRequest("The proxy names several schemes, or one that is none.")
        return found, next(iter(told), None)

    def _parse(self, fields: Mapping[str, str]) -> tuple[list[str], list[str]]:
        if not self._forwarded:
            return _items(fields.get("x-forwarded-for")), _items(fields.get("x-forwarded-proto"))
        addresses, schemes = [], []
        for element in _items(fields.get("forwarded")):
            for text in element.split(";"):
                pair = _pair(text)
                if pair is None:
                    raise BadRequest("The field Forwarded is out of form.")
                name, value = pair[1].lower(), pair[2] if pair[2] is not None else pair[3]
                if name == "for":
                    addresses.append(value)
                elif name == "proto":
                    schemes.append(value)
        return addresses, schemes

    def correct_environ(self, environ: dict[str, Any]) -> None:
        """Put the client in the peer's place; what was there is kept for `ProxyHeader`."""
        peer = environ.get("REMOTE_ADDR")
        fields = {name: environ[key] for name, key in _KEYS if key in environ}
        if "" in fields.values() and self.trusts(peer):
            # Under WSGI Granian gives no other value for one that is not ASCII.
            raise BadRequest("The proxy names a client without an address.")
        found = self.client(peer, fields) if fields else None
        if found is None:
            return
        before = {key: environ.get(key) for key in ("REMOTE_ADDR", "wsgi.url_scheme")}
        environ.setdefault("werkzeug.proxy_fix.orig", before)
        environ["REMOTE_ADDR"] = found[0]
        if found[1] is not None:
            environ["wsgi.url_scheme"] = found[1]

    def correct_exchange(self, exchange: Any) -> None:
        """The same for a door's exchange."""
        header = exchange.header
        fields = {name: value for name, _ in _KEYS if (value := header(name)) is not None}
        peer = exchange.client
        address = None if peer is None else peer[0]
        if not self.trusts(address):
            return
        if any(exchange.is_hidden(name) for name, _ in _KEYS if name not in fields):
            raise BadRequest("The proxy names a client without an address.")
        if not fields:
            return
        for name in fields:
            # All of a field that came several times, which `header` gives the first of.
            fields[name] = ",".join(v for n, v in exchange.headers if n.lower() == name)
        found = self.client(address, fields)
        if found is not None:
            exchange.peer = peer or ("", 0)
            exchange.client = (found[0], 0)
            if found[1] is not None:
                exchange.scheme = found[1]


_KEYS = tuple(
    (name, "HTTP_" + name.upper().replace("-", "_"))
    for name in ("x-forwarded-for", "x-forwarded-proto", "forwarded")
)


def _items(value: str | None) -> list[str]:
    if value is None:
        return []
    items = [item.strip() for item in value.split(",")]
    if len(items) > 32:
        raise BadRequest("The request passed more proxies than there can be.")
    return [item for item in items if item]


def _address(text: str) -> str:
    """The address of an entry: `192.0.2.7`, `192.0.2.7:4711`, `[2001:db8::7]:4711`."""
    bare = text
    if bare.startswith("["):
        bare, _, _ = bare[1:].partition("]")
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        raise BadRequest("The proxy names a client without an address.") from None


def _network(text: str) -> Any:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise SetupError(f"trust_proxies: {text!r} is no network or address: {error}.") from None
    if network.prefixlen == 0:
        raise Unsafe(
            f"trust_proxies: {text!r} is everybody, so that each client could say who it is. Name"
            " the proxy's own network, as '10.0.0.0/8'."
        )
    return network
