"""What outlives a request and is no business of the view: sessions and answers in the store.

from hipflask.state import StoredSessions

app.session_interface = StoredSessions()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .options import Idempotent as Idempotent

if TYPE_CHECKING:
    from .idempotency import transaction as transaction
    from .records import SessionRecord as SessionRecord
    from .sessions import StoredSession as StoredSession
    from .sessions import StoredSessions as StoredSessions

# Loaded when first asked for: they need the database's libraries.
_LATER = {
    "SessionRecord": ".records",
    "StoredSession": ".sessions",
    "StoredSessions": ".sessions",
    "transaction": ".idempotency",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name], __name__), name)
    return value
