"""What goes wrong with a store: away for now, or a row that somebody else has by now."""

from __future__ import annotations


class StoreUnavailable(Exception):
    """The store cannot be written or read now; nothing of what was asked has been kept.

    A full or read-only disk, a lock held too long, a server that is away or going down. Trying
    again later is right, in the same process: the store heals without a restart.
    """


class Fenced(Exception):
    """The row's lease was lost and somebody else may have it: undo what was done for it.

    Raised inside the transaction that would have said `done`, so that it rolls back.
    """

    def __init__(self, queue: str, seq: int) -> None:
        super().__init__(
            f"{queue} row {seq}: its lease was lost (stopped for too long, or an operator moved"
            " the row), so this attempt is not counted and its writes are undone."
        )
        self.queue = queue
        self.seq = seq

    def __reduce__(self) -> tuple[type[Fenced], tuple[str, int]]:
        return type(self), (self.queue, self.seq)
