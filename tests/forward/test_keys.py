from __future__ import annotations

from hipflask.forward import idempotency_key


def test_a_key_is_the_same_on_each_day() -> None:
    # Written down: another key for the same call would be a second payment.
    assert idempotency_key("stripe", "evt_1", "paid", "ledger") == PUBLISHED


def test_each_part_counts_by_itself() -> None:
    keys = {
        idempotency_key("a", "bc", "d", "e"),
        idempotency_key("ab", "c", "d", "e"),
        idempotency_key("a", "b", "cd", "e"),
        idempotency_key("a", "bc", "de", ""),
        idempotency_key("a", "bc", "d", "e", 1),
        idempotency_key("a", "bc", "d", "e1", 0),
    }
    assert len(keys) == 6
    assert all(len(key) == 32 and key.isalnum() for key in keys)


PUBLISHED = "d19a399d88eb5702f5c665b8e50ecc4b"
