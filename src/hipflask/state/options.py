"""What `idempotent=` of a route may be; loads no database."""

from __future__ import annotations

from typing import Any

import msgspec

from ..scaffold import SetupError

#: Methods whose repetition is not harmless by itself (RFC 9110, 9.2.2).
METHODS = frozenset(("POST", "PATCH"))
FIELD = "Idempotency-Key"


class Idempotent(msgspec.Struct, frozen=True, kw_only=True):
    """How a route keeps its answers by Idempotency-Key.

    @app.post("/orders", idempotent=Idempotent(required=True, lease_s=300))
    """

    #: Whether a request without the key is refused with 400.
    required: bool = False
    #: How long an answer is kept, in seconds.
    keep_s: float = 86400.0
    #: How long one attempt may take before another may be made: longer than the view ever does.
    lease_s: float = 120.0
    #: Answers with a larger body are sent, and not kept.
    max_bytes: int = 1024 * 1024
    #: A URL, or a `hipflask.database.Database`; the application's store by default.
    database: Any = None


def options_of(given: Any, rule: str, methods: set[str], streams: bool) -> Idempotent | None:
    """The options that `idempotent=` stands for; SetupError for what cannot work."""
    if given is None or given is False:
        return None
    if given is True or given == "required":
        given = Idempotent(required=given is not True)
    if not isinstance(given, Idempotent):
        raise SetupError(
            f"The route {rule!r}: idempotent={given!r} is none of True, 'required' and"
            " Idempotent(...)."
        )
    if not METHODS & {method.upper() for method in methods}:
        raise SetupError(
            f"The route {rule!r} is idempotent=... and takes {', '.join(sorted(methods))}: the"
            " key is for POST and PATCH. What GET, PUT and DELETE do may be done twice anyway."
        )
    if streams:
        raise SetupError(
            f"The route {rule!r} reads its body as a stream, so it cannot be told whether two"
            " requests with one key are the same: leave out stream=True, or idempotent=..."
        )
    if given.lease_s <= 0 or given.keep_s < given.lease_s or given.max_bytes < 0:
        raise SetupError(
            f"The route {rule!r}: an attempt takes lease_s={given.lease_s:g}, more than nothing,"
            f" and its answer is kept for keep_s={given.keep_s:g}, which is no less."
        )
    return given
