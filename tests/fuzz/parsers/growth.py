"""How the cost of each parser grows with its input: `python -m tests.fuzz.parsers.growth`.

Each gets hostile shapes, one piece of text many times over, of `SMALL` and of `LARGE` bytes. What
takes more processor time than in proportion is then counted by callgrind in instructions, on
which no busy machine has an influence, and judged by that: cost ~ size ^ exponent, and the
exponent may be 1.2. `ONLY=query,cookie` takes some, `FAULT=1` adds a parser that is quadratic.
Exits 1 for an exponent over the limit, 2 where something had to be counted and could not.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.progress import Progress

from .listed import PARSERS, Parser

ROOT = Path(__file__).resolve().parents[3]
SMALL, LARGE = 12 * 1024, 48 * 1024
LIMIT = 1.2
#: By time a shape is looked at more closely from here on.
SUSPECT = 1.12
#: What takes less than this at `LARGE` bytes cannot be told from noise, and harms nobody.
LEAST_S = 0.0004
TIMES = 3
UNITS = (
    *(bytes([byte]) for byte in b'a9 %(["\\,;=&-./<:\xff'),
    *(b"\xc3\xa9", b"a=b;", b"a,b;q=1,", b'"\\', b"[]", b"%41"),
)
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class NotCounted(Exception):
    """Callgrind is missing, or failed; the text says how."""


def shapes_of(parser: Parser) -> list[tuple[bytes, bytes, bytes]]:
    """The hostile shapes of a parser: (head, what is repeated, tail)."""
    units = list(dict.fromkeys((*parser.tokens, *UNITS)))
    found = [(b"", unit, b"") for unit in units]
    if parser.head or parser.tail:
        found += [(parser.head, unit, parser.tail) for unit in units]
    return found


def made(shape: tuple[bytes, bytes, bytes], size: int) -> bytes:
    """The shape in about that many bytes."""
    head, unit, tail = shape
    return head + unit * max(1, (size - len(head) - len(tail)) // len(unit)) + tail


def exponent_of(small: float, large: float) -> float:
    return math.log(large / small) / math.log(LARGE / SMALL) if small > 0 < large else 0.0


def timed(parser: Parser, data: bytes) -> float:
    """Seconds of processor time, the best of some times."""
    best = math.inf
    for _ in range(TIMES):
        began = time.process_time()
        with contextlib.suppress(Exception):
            parser.survives(data)
        best = min(best, time.process_time() - began)
    return best


def suspects(parser: Parser) -> Iterator[int]:
    """The numbers of the shapes that seem to cost more than in proportion."""
    for number, shape in enumerate(shapes_of(parser)):
        large = timed(parser, made(shape, LARGE))
        if large < LEAST_S:
            continue
        if exponent_of(timed(parser, made(shape, SMALL)), large) > SUSPECT:
            yield number


# --- counting -----------------------------------------------------------------------------------


def counted(name: str, number: int) -> float:
    """The exponent of a shape in instructions; raises NotCounted."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NotCounted("valgrind is missing; on Debian: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="hipflask-growth-") as folder:
        out = Path(folder) / "counts"
        words = [valgrind, "--tool=callgrind", "--dump-before=getsid"]
        words += [f"--callgrind-out-file={out}", sys.executable, "-m", __spec__.name]
        words += ["--count", name, "--shape", str(number)]
        environ = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True)
        files = sorted(out.parent.glob(f"{out.name}.*"), key=lambda path: int(path.suffix[1:]))
        totals = [_TOTALS.search(path.read_text(errors="replace")) for path in files]
    if done.returncode or len(totals) != 3 or not all(totals):
        raise NotCounted(f"callgrind ended with {done.returncode}: {done.stderr[-400:]}")
    # What came before the first mark is the start of the process.
    _, small, large = (int(found[1]) for found in totals if found)
    return exponent_of(small, large)


def run_marked(parser: Parser, number: int) -> None:
    """What callgrind looks at: each size once, between marks, warmed up before."""
    shape = shapes_of(parser)[number]
    small, large = made(shape, SMALL), made(shape, LARGE)
    for data in (made(shape, 64), small, large):
        parser.survives(data)
    os.getsid(0)
    parser.survives(small)
    os.getsid(0)
    parser.survives(large)
    os.getsid(0)


# --- the program --------------------------------------------------------------------------------


def _plant() -> None:
    def quadratic(data: bytes) -> int:
        return sum(data.count(data[at : at + 2]) for at in range(0, len(data), 64))

    PARSERS["planted"] = Parser("planted", quadratic, (), (), (), b"", b"")


def main() -> int:
    """Read the command line, time all shapes, count the suspects, return the exit code."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz.parsers.growth", description=__doc__)
    words.add_argument("--only", default=os.environ.get("ONLY"))
    words.add_argument("--count", help=argparse.SUPPRESS)
    words.add_argument("--shape", type=int, help=argparse.SUPPRESS)
    options = words.parse_args()
    if os.environ.get("FAULT"):
        _plant()
    if options.count:
        run_marked(PARSERS[options.count], options.shape)
        return 0
    names = options.only.split(",") if options.only else list(PARSERS)
    progress, number, over, missing = Progress(len(names)), 0, [], []
    worst: dict[str, float] = {}
    for name in names:
        parser = PARSERS[name]
        number += len(shapes_of(parser))
        for shape in suspects(parser):
            told = f"{name}, shape {shape} {shapes_of(parser)[shape]!r}"
            try:
                exponent = counted(name, shape)
            except NotCounted as error:
                missing.append(f"{told}: {error}")
                continue
            worst[name] = max(worst.get(name, 0.0), exponent)
            if exponent > LIMIT:
                over.append(f"{told}: exponent {exponent:.2f}")
        progress.step(name)
    progress.end()
    for name, exponent in sorted(worst.items(), key=lambda one: -one[1]):
        print(f"{name:26} counted, worst exponent {exponent:.2f}")
    for one in over:
        print(f"FAIL {one}")
    for one in missing:
        print(f"NOT COUNTED {one}")
    print(f"growth: {len(names)} parsers, {number} shapes, over {LIMIT}: {len(over)}")
    return 1 if over else 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
