"""How large a body one view takes, where that is other than `MAX_CONTENT_LENGTH`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..scaffold import SetupError
from .fields import before_view, current

F = TypeVar("F", bound=Callable[..., Any])


def limit_body(most: int) -> Callable[[F], F]:
    """Decorate a view that takes bodies of so many bytes: fewer than others, or more.

    Past it the body is not read and touching it is a 413; a typed view is not called. In any
    order with the route. Raises SetupError for a number that is no limit.

        @app.post("/photos")
        @limit_body(50 * 1024 * 1024)
        def photos(): ...
    """
    if type(most) is not int or most < 0:
        raise SetupError(f"limit_body({most!r}): give a number of bytes.")

    def limit() -> None:
        current().request.max_content_length = most

    limit.is_quick = True  # type: ignore[attr-defined]
    return lambda view: before_view(view, limit)
