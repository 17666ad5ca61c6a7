"""Inputs made out of seeds by accidents: what runs where atheris is not installed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .parser import LONGEST, Parser

NOISE = (b"\0", b"\xff", b"%", b";", b",", b'"', b"\\", b"\r\n", b"--", b"9" * 20, b"\xc3\xa9", b"=", b"\xed\xa0\x80")  # fmt: skip  # noqa: E501
NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"18446744073709551616", b"1e309", b"00", b"+1")  # fmt: skip  # noqa: E501


def inputs_of(parser: Parser, seed: int) -> Iterator[bytes]:
    """Inputs without end: every seed as it is, then bent ones."""
    chance = random.Random(seed)
    pool = [one[:LONGEST] for one in (*parser.seeds, b"")]
    yield from pool
    noise = (*NOISE, *NUMBERS, *parser.tokens, *parser.tokens)
    while True:
        data = chance.choice(pool)
        while True:
            data = _bend(chance, data, noise, pool)
            if chance.random() < 0.4:
                break
        data = data[:LONGEST]
        yield data
        # Some accidents stay, so that later ones happen to them.
        if chance.random() < 0.01:
            pool[chance.randrange(len(pool))] = data


def _bend(chance: random.Random, data: bytes, noise: tuple[bytes, ...], pool: list[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.randrange(1, 9))
    how = chance.randrange(8)
    if how == 0 and data:
        at = min(at, len(data) - 1)
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    if how == 1:
        return data[:at]
    if how == 2:
        return data[:at] + data[end:]
    if how == 3:
        return data[:at] + data[at:end] * chance.choice((2, 3, 9, 70)) + data[end:]
    if how == 4:
        return data[:at] + chance.randbytes(chance.randrange(1, 5)) + data[at:]
    if how == 5:
        return data[:at] + chance.choice(pool)[chance.randrange(0, 20) :]
    if how == 6:
        return data[:at] + chance.choice(noise) * chance.choice((1, 1, 1, 2, 9, 80)) + data[at:]
    return data[:at] + chance.choice(noise) + data[end:]
