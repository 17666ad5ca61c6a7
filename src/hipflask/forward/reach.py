"""Which addresses a call may go to, judged at the moment it connects (against SSRF).

A name is looked up once, what comes of it is judged, and the connection is made to exactly the
address that was judged: a name that answers otherwise a moment later gains nothing. What counts
is the address, so its spelling (`0x7f.1`, `2130706433`, `[::ffff:127.0.0.1]`) does not.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from typing import Any

#: `public`: addresses of the internet, ports 80 and 443. `named`: also private and local ones,
#: as an operator named the host, and not link-local ones, where clouds keep their credentials.
#: `internal`: all.
REACHES = ("public", "named", "internal")
_PUBLIC_PORTS = (80, 443)
# RFC 6052 and RFC 3056, 2765: an IPv4 address in the last 32 bits of one of these.
_CARRIERS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
# AWS's and others' metadata, which is no link-local address under IPv6.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)


def refusal(address: str, port: int, reach: str) -> str | None:
    """Why a call must not go to the address; None where it may. Raises ValueError for none."""
    if reach == "internal":
        return None
    found = plain(address)
    if found.is_link_local or found in _METADATA:
        return f"{found} is an address of the machine's own network, where clouds keep credentials"
    is_odd = found.is_reserved and not found.is_loopback  # ::1 counts as reserved
    if found.is_multicast or found.is_unspecified or is_odd:
        return f"{found} is no address of one machine"
    if reach == "public":
        if not found.is_global:
            return f"{found} is no public address"
        if port not in _PUBLIC_PORTS:
            return f"{port} is no port that others' addresses may have"
    return None


def plain(address: str) -> Any:
    """The address; of an IPv6 address that stands for one of IPv4 that one."""
    found: Any = ipaddress.ip_address(address.partition("%")[0])
    if found.version == 4:
        return found
    inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
    if inner is None and int(found) > 1 and any(found in network for network in _CARRIERS):
        inner = ipaddress.ip_address(int(found) & 0xFFFFFFFF)
    return inner or found


async def look_up(host: str, port: int) -> list[str]:
    """The host's addresses, in the order they are to be tried. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    return list(dict.fromkeys(addresses))


def guarding(pool: Any, reach: str, look_up: Any = look_up) -> None:
    """Have a pool of httpcore2 judge each address before it connects.

    Raises AttributeError where the library no longer has the place for it: rather no call than
    one that nobody judged.
    """
    pool._network_backend = _Judging(pool._network_backend, reach, look_up)


class _Judging:
    """A network backend of httpcore2 that connects to addresses which were judged."""

    def __init__(self, inner: Any, reach: str, look_up: Any) -> None:
        self._inner = inner
        self._reach = reach
        self._look_up = look_up

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> Any:
        """Look the host up, judge its addresses, connect to one. Raises ConnectError."""
        from httpcore2 import ConnectError, ConnectTimeout  # beneath httpx2, loaded by now

        ends = None if timeout is None else time.monotonic() + timeout
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._look_up(host, port)
        except TimeoutError as error:
            raise ConnectTimeout(f"{host} was not looked up in time") from error
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"{host} is not known: {error}") from error
        # All of them: a name with a good and a bad address is not to be tried until it fits.
        for address in addresses:
            if (why := refusal(address, port, self._reach)) is not None:
                raise ConnectError(f"{host} may not be called: {why}")
        failure: Exception = ConnectError(f"{host} has no address")
        for address in addresses:
            left = None if ends is None else max(0.001, ends - time.monotonic())
            try:
                return await self._inner.connect_tcp(address, port, timeout=left, **options)
            except (ConnectError, ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait, as the pool does between attempts."""
        await self._inner.sleep(seconds)
