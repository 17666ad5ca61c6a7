"""What both services know: the orders, as a program makes them up. Not how they are answered."""

from __future__ import annotations

import random

#: Orders have the numbers 1 to this.
ORDERS = 2000
VAT_PERCENT = 19


def items_of(order: int) -> list[tuple[str, int, int]]:
    """An order's lines: article, quantity, price in cents. The same at each call."""
    numbers = random.Random(order)
    names = ("mug", "pot", "tray", "spoon", "kettle")
    return [
        (numbers.choice(names), numbers.randint(1, 3), numbers.randrange(130, 4000, 10))
        for _ in range(numbers.randint(1, 4))
    ]
