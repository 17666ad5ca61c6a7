"""How long a call may take: to connect, between two bytes, and altogether."""

from __future__ import annotations

from dataclasses import dataclass

from ..scaffold import SetupError


@dataclass(frozen=True)
class Deadlines:
    """Seconds for a call as a whole, for its connection, and for each wait for a byte.

    `total_s` None sets no end to the whole, for bodies that are streamed. The shorter one counts.

        Deadlines(total_s=5, connect_s=1)
    """

    total_s: float | None = 15.0
    connect_s: float = 5.0
    read_s: float = 15.0

    def __post_init__(self) -> None:
        for name in ("total_s", "connect_s", "read_s"):
            value = getattr(self, name)
            if value is None and name == "total_s":
                continue
            if not 0 < value <= 3600:
                raise SetupError(f"{name}={value!r} is no deadline: give seconds, up to 3600.")

    def within(self, left_s: float) -> Deadlines:
        """The same inside what is left of somebody else's time, at least a millisecond."""
        left = max(left_s, 0.001)
        total = left if self.total_s is None else min(self.total_s, left)
        return Deadlines(total, min(self.connect_s, total), min(self.read_s, total))

    @property
    def connecting_s(self) -> float:
        """Seconds for the connection, inside the whole."""
        return self.connect_s if self.total_s is None else min(self.connect_s, self.total_s)

    @property
    def reading_s(self) -> float:
        """Seconds for each wait for a byte, inside the whole."""
        return self.read_s if self.total_s is None else min(self.read_s, self.total_s)
