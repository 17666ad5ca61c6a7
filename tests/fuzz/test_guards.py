"""Parsers of the guards, with text from the network: they raise only what they promise."""

from __future__ import annotations

import zlib

from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from hipflask.guards.headers import with_nonce
from hipflask.guards.inflating import inflate
from hipflask.guards.proxies import Proxies
from hipflask.guards.rates import client_of
from hipflask.guards.sites import is_own
from hipflask.security import is_local, safe_next

TEXT = st.text(max_size=200) | st.text(
    alphabet='for=;", []:.0123456789abcdefproto%_-/\\@', max_size=60
)
PROXIES = Proxies(["10.0.0.0/8", "unix"], hops=3)
STANDARD = Proxies(["10.0.0.0/8"], hops=3, forwarded=True)


@given(TEXT, TEXT)
@example("[", "")
@example("fe80::1%", "")
@example("1.1.1.1:99999999999", "")
def test_forwarded_fields_give_an_address_or_a_400(chain, schemes):
    for proxies, fields in (
        (PROXIES, {"x-forwarded-for": chain, "x-forwarded-proto": schemes}),
        (STANDARD, {"forwarded": chain}),
    ):
        try:
            found = proxies.client("10.0.0.1", fields)
        except HTTPException as error:
            assert error.code == 400
        else:
            if found is not None:
                address, scheme = found
                assert address.replace("%", "").isprintable() and scheme in (None, "http", "https")
        assert proxies.client("192.0.2.1", fields) is None


@given(TEXT, TEXT)
def test_origins_are_judged(origin, host):
    if is_own(origin, host):
        assert origin.lower().endswith(host.lower().removesuffix(":80").removesuffix(":443")) or (
            ":" in origin
        )


@given(TEXT)
def test_places_to_go_are_judged(target):
    assert safe_next(target, "/home") == (target if is_local(target) else "/home")


class Asking:
    """A context as far as an address is asked of it."""

    _exchange = None

    def __init__(self, address):
        self._environ = {"REMOTE_ADDR": address}


@given(TEXT | st.ip_addresses().map(str))
def test_any_address_is_somebody(address):
    assert client_of(Asking(address))


@given(st.binary(max_size=300) | st.binary(max_size=300).map(zlib.compress))
def test_bodies_are_unpacked_or_refused(data):
    for window in (15, 31):
        try:
            assert len(inflate(data, window, 10_000, 100)) <= 10_000
        except HTTPException as error:
            assert error.code in (400, 413)


@given(st.text(alphabet="default-src 'self' none; script style x\t", max_size=80))
def test_any_policy_takes_a_nonce(policy):
    assert with_nonce(policy).count("{nonce}") == 2
