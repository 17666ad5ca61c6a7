"""What an action's function is given: the run it is part of, in one of two modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...security import Identity


class Cancelled(Exception):
    """Somebody has cancelled the run; raised by `run.do` and `run.progress`, to be let through."""


class Run:
    """The run that an action's function works for. One thread at a time.

    While `planning` nothing happens: `do` only notes what would be done. The function is called
    in both modes, with the same arguments, and must come to the same sentences: no clock and
    nothing random in them.
    """

    #: Whether this is the plan, not the run itself.
    planning: bool = False

    def __init__(self, by: Identity, id: int | None = None) -> None:
        #: Who asked for it. Behind an approval, not who approved.
        self.by = by
        #: The run's number; None while it is planned.
        self.id = id

    def do(
        self,
        sentence: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        undo: tuple[Any, ...] | None = None,
        **named: Any,
    ) -> Any:
        """Do one step: `function(*args, **named)`, told as `sentence`; returns what that returns.

        While planning the sentence is noted, the function is not called, and None returned.
        `undo` is (function, *args) that takes the step back: the function must be reachable by a
        name from the action's module, its arguments are stored as text.

            run.do(f"refund {amount} on #{row.id}", pay.refund, row.id, amount,
                   undo=(pay.cancel, row.id))
        """
        raise NotImplementedError

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Tell how far the step has come; everybody who looks at the run sees it.

        Cheap to call often: it is written twice a second at most. Does nothing while planning.
        Raises Cancelled when somebody has cancelled the run.
        """
        raise NotImplementedError
