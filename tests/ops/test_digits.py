"""Digits drawn in blocks."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import threading

import pytest

from hipflask.ops import digits


def test_no_two_draws_are_the_same_across_blocks_and_threads() -> None:
    drawn: list[str] = []

    def draw_many() -> None:
        drawn.extend([digits.draw() for _ in range(3 * digits.BLOCK)])

    threads = [threading.Thread(target=draw_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == len(drawn) == 12 * digits.BLOCK
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in drawn)


def test_a_block_with_a_draw_of_zeros_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 8 * digits.BLOCK
    blocks = [bytes(8) + b"\x01" * (size - 8), b"\x02" * size]
    monkeypatch.setattr(os, "urandom", lambda number: blocks.pop(0))
    kept = digits._drawn[:]
    digits._drawn.clear()
    try:
        assert digits.draw() == "02" * 8
        assert not blocks
    finally:
        digits._drawn[:] = kept


FORKING = """
import multiprocessing
from hipflask.ops import digits

digits.draw()
with multiprocessing.get_context("fork").Pool(1) as pool:
    theirs = pool.apply(digits.draw)
ours = {digits.draw() for _ in range(digits.BLOCK)}
print(len(theirs), theirs in ours)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_child_draws_others_than_its_parent() -> None:
    # In a process without threads, which a test's may have.
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True)
    assert done.stdout.split() == ["16", "False"], done.stderr
