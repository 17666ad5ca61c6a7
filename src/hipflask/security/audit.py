"""What is told of logins: a line each in the log `hipflask.security`, and a counter.

Names are shown as Python would write them and cut, so that none can make a line of its own;
passwords, keys and tokens are never told.
"""

from __future__ import annotations

import logging

from ..globals import _cv_request
from ..ops import metrics

_log = logging.getLogger("hipflask.security")
_logins = metrics.counter(
    "hipflask_logins_total", "Attempts to log in, by what came of them.", ["outcome"]
)
_LONGEST = 64
# What is worth a look where it comes in numbers.
_LEVELS = {"wrong": logging.WARNING, "slowed": logging.WARNING, "closed": logging.ERROR}


def tell_login(outcome: str, name: str) -> None:
    """Somebody has tried to log in under a name: "right", "wrong", "slowed" or "closed"."""
    _logins.add(1, outcome)
    _log.log(_LEVELS.get(outcome, logging.INFO), "login %s: %s from %s", outcome, _who(name), _at())


def tell_logout(name: str, *, everywhere: bool) -> None:
    """Somebody has logged out."""
    where = "everywhere" if everywhere else "here"
    _log.info("logout %s: %s from %s", where, _who(name), _at())


def _who(name: str) -> str:
    return repr(name[:_LONGEST])


def _at() -> str:
    ctx = _cv_request.get(None)
    address = None if ctx is None else ctx.request.remote_addr
    return repr(address)[1:-1] if address else "an unknown address"
