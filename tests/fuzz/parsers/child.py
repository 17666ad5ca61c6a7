"""One parser, fed in a process of its own: `python -m tests.fuzz.parsers.child NAME N ENGINE SEED`.

Prints lines: `run N` now and then, `found {...}` as JSON for each kind of failure, `end N`. A
single input that takes more than `SLOWEST_S` of processor time is a failure, too.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SLOWEST_S = 2.0
MOST_KINDS = 20


class Feeding:
    """Counts inputs and tells of failures, each kind once."""

    def __init__(self, survives: Callable[[bytes], str | None], number: int) -> None:
        self._survives = survives
        self._number = number
        self._done = 0
        self._kinds: set[str] = set()
        self._told = 0.0
        self._out = os.fdopen(os.dup(1), "w", buffering=1)

    def feed(self, data: bytes) -> None:
        began = time.process_time()
        kind = self._survives(bytes(data))
        took_s = time.process_time() - began
        if took_s > SLOWEST_S:
            kind = f"took {took_s:.1f} s of processor time"
        if kind is not None and kind not in self._kinds and len(self._kinds) < MOST_KINDS:
            self._kinds.add(kind)
            shown = base64.b64encode(data).decode()
            self._out.write(f"found {json.dumps({'kind': kind, 'input': shown})}\n")
        self._done += 1
        if began - self._told > 0.5:
            self._told = began
            self._out.write(f"run {self._done}\n")
        if self._done >= self._number:
            self._out.write(f"end {self._done}\n")
            self._out.flush()
            os._exit(0)


def main() -> None:
    name, number, engine, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if engine == "atheris":
        import atheris  # optional

        # Where branches were taken is told to the mutator: hipflask's, and Werkzeug's parsers.
        with atheris.instrument_imports(
            include=["hipflask", "werkzeug.http", "werkzeug.sansio", "werkzeug.formparser"],
            enable_loader_override=False,
        ):
            parser = _parser(name)
        feeding = Feeding(parser.survives, number)
        folder = Path(sys.argv[5])
        for position, data in enumerate(parser.seeds):
            (folder / f"seed{position}").write_bytes(data)
        words = [sys.argv[0], str(folder), f"-seed={seed}", "-max_len=4096", "-rss_limit_mb=1024"]
        words += [f"-dict={_dictionary(parser, folder)}", "-verbosity=0", "-print_final_stats=0"]
        atheris.Setup(words, feeding.feed)
        atheris.Fuzz()
    else:
        from .mutate import inputs_of  # not beside atheris, which must import first

        parser = _parser(name)
        feeding = Feeding(parser.survives, number)
        for data in inputs_of(parser, seed):
            feeding.feed(data)


def _parser(name: str) -> Any:
    from .listed import PARSERS  # imports all that is under test

    if os.environ.get("FAULT"):
        return _faulty(PARSERS[name])
    return PARSERS[name]


def _faulty(parser: Any) -> Any:
    """The same with a fault planted: a byte that it cannot bear."""

    class Faulty:
        seeds, tokens = parser.seeds, parser.tokens

        def survives(self, data: bytes) -> str | None:
            return "the planted fault" if b"\xff" in data else parser.survives(data)

    return Faulty()


def _dictionary(parser: Any, folder: Path) -> Path:
    """The tokens in the form that libFuzzer reads."""
    path = folder.parent / f"{folder.name}.dict"
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in token) + '"' for token in parser.tokens]
    path.write_text("\n".join(lines) + "\n")
    return path


if __name__ == "__main__":
    main()
