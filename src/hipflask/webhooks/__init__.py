"""Webhooks: who sent this, and is it unchanged? Schemes of senders, checked and signed.

from hipflask import webhooks

verdict = webhooks.verify("stripe", webhooks.Delivery.of(request), secrets=[...])

`Hooks` receives them: verified, stored, and only then acknowledged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .delivery import Delivery as Delivery
from .handshakes import Reply as Reply
from .handshakes import cloudevents_options as cloudevents_options
from .handshakes import discord_ping as discord_ping
from .handshakes import slack_challenge as slack_challenge
from .layouts import Listed as Listed
from .layouts import Pairs as Pairs
from .layouts import Versions as Versions
from .layouts import Whole as Whole
from .scheme import Scheme as Scheme
from .scheme import hmac_scheme as hmac_scheme
from .scheme import own_scheme as own_scheme
from .schemes import SCHEMES as SCHEMES
from .schemes import find_scheme as find_scheme
from .signer import sign as sign
from .signer import with_body_hash as with_body_hash
from .verdict import Reason as Reason
from .verdict import Verdict as Verdict
from .verifier import Verifier as Verifier
from .verifier import verify as verify

if TYPE_CHECKING:
    from .failures import Permanent as Permanent
    from .failures import Transient as Transient
    from .handlers import Handler as Handler
    from .hooks import Hooks as Hooks
    from .received import Received as Received
    from .sources import Source as Source

# Who only checks signatures loads no database, and none of these.
_LATE = {
    "Handler": "handlers",
    "Hooks": "hooks",
    "Permanent": "failures",
    "Received": "received",
    "Source": "sources",
    "Transient": "failures",
}


def __getattr__(name: str) -> Any:
    module = _LATE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{module}", __name__), name)
