"""What a view says of its body where no type does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from ..scaffold import SetupError

F = TypeVar("F", bound=Callable[..., Any])
BODY = "reads_body"
EXAMPLE = "example_of_action"


def reads_body(how: Literal["raw", "none"]) -> Callable[[F], F]:
    """Mark a view without a typed body: it reads the bytes itself ("raw"), or takes no body.

    For `hipflask check` only (R01); nothing changes at a request. Raises SetupError for
    another word.

        @app.post("/photos")
        @reads_body("raw")
        def photos(): ...
    """
    if how not in ("raw", "none"):
        raise SetupError(f"reads_body({how!r}): write 'raw' or 'none'.")

    def mark(view: F) -> F:
        view.reads_body = how  # type: ignore[attr-defined]
        return view

    return mark


def example(*, rows: Sequence[Any] = (), **parameters: Any) -> Callable[[F], F]:
    """Give an action of a tool the values that `hipflask check --probe` plans it with (T02).

    `rows` are what stands for the chosen rows, `parameters` what a person would fill in. The
    action is planned, and never run.

        @orders.action(roles="support")
        @example(rows=[SimpleNamespace(id=1)], amount=Decimal(5))
        def refund(run, row, amount: Decimal): ...
    """

    def mark(function: F) -> F:
        function.example_of_action = (tuple(rows), dict(parameters))  # type: ignore[attr-defined]
        return function

    return mark
