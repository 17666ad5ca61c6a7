"""Feed every parser its share of inputs: `python -m tests.fuzz.parsers` (`make fuzz`).

`--inputs` is how many in all, 1,100,000 unless given (`QUICK=1`: 60,000); `--seconds` ends a
parser's share early. `--engine` is atheris, which learns which inputs reach new branches, or
mutations, which bends seeds; the former where it is installed. `ONLY=query,cookie` takes some,
`FAULT=1` plants a fault that must be found. Exits 1 for any failure, and for fewer inputs than
asked for. `--keep` puts the shortest inputs that atheris found worth keeping into corpus.txt.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.progress import Progress

from .listed import PARSERS

ROOT = Path(__file__).resolve().parents[3]
CORPUS = Path(__file__).with_name("corpus.txt")
INPUTS, QUICK_INPUTS = 1_100_000, 60_000
#: Inputs of one parser that are added to the corpus, and their length in bytes.
MOST_KEPT, LONGEST_KEPT = 12, 300


@dataclass
class Outcome:
    """What one parser's share came to; `failures` by kind, with the input in base 64."""

    name: str
    inputs: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Read the command line, feed the parsers in turn, print a table, return the exit code."""
    options = _options()
    names = options.only.split(",") if options.only else list(PARSERS)
    share = -(-options.inputs // len(names))
    print(f"{len(names)} parsers, {share:,} inputs each, engine {options.engine}", flush=True)
    progress = Progress(share * len(names))
    outcomes = [_feed(name, share, options, progress) for name in names]
    progress.end()
    print(f"{'parser':26}{'inputs':>12}{'a second':>12}{'unexpected':>12}")
    for one in outcomes:
        rate = one.inputs / one.seconds if one.seconds else 0.0
        print(f"{one.name:26}{one.inputs:12,}{rate:12,.0f}{len(one.failures):12}")
    inputs = sum(one.inputs for one in outcomes)
    failures = [(one.name, kind, data) for one in outcomes for kind, data in one.failures.items()]
    for name, kind, data in failures:
        print(f"FAIL {name}: {kind}\n     {data}")
    took_s = sum(one.seconds for one in outcomes)
    print(f"fuzz: inputs {inputs:,}, unexpected exceptions {len(failures)}, took {took_s:.0f} s")
    return 1 if failures or (options.seconds is None and inputs < options.inputs) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.parsers", description=__doc__)
    quick = bool(os.environ.get("QUICK"))
    parser.add_argument("--inputs", type=int, default=QUICK_INPUTS if quick else INPUTS)
    parser.add_argument("--seconds", type=float, help="at most so long for each parser")
    parser.add_argument("--only", default=os.environ.get("ONLY"))
    has_atheris = importlib.util.find_spec("atheris") is not None
    parser.add_argument(
        "--engine",
        choices=("atheris", "mutations"),
        default=os.environ.get("ENGINE") or ("atheris" if has_atheris else "mutations"),
    )
    parser.add_argument("--keep", action="store_true", help="add to corpus.txt")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or "20260"))
    options = parser.parse_args()
    if options.only and (unknown := set(options.only.split(",")) - PARSERS.keys()):
        parser.error(f"no such parser: {', '.join(sorted(unknown))}; there is {', '.join(PARSERS)}")
    return options


def _feed(name: str, share: int, options: argparse.Namespace, progress: Progress) -> Outcome:
    outcome, began = Outcome(name), time.monotonic()
    words = [sys.executable, "-m", "tests.fuzz.parsers.child", name, str(share), options.engine]
    with tempfile.TemporaryDirectory(prefix="hipflask-fuzz-") as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        with open(Path(folder) / "said", "w+") as said:
            process = subprocess.Popen(
                [*words, str(options.seed), str(seeds)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            _listen(process, outcome, options.seconds, progress)
            said.seek(0)
            end = said.read()[-2000:]
        if options.keep:
            _keep(name, seeds)
    outcome.seconds = time.monotonic() - began
    if process.returncode and not (options.seconds and outcome.seconds >= options.seconds):
        outcome.failures[f"the process ended with {process.returncode}: {end}"] = ""
    return outcome


def _keep(name: str, folder: Path) -> None:
    """Add what atheris has put beside the seeds: the shortest, as they are looked at most."""
    found = [path.read_bytes() for path in folder.iterdir() if not path.name.startswith("seed")]
    found.sort(key=lambda data: (len(data), data))
    with CORPUS.open("a", encoding="ascii") as file:
        for data in found[:: max(1, len(found) // MOST_KEPT)][:MOST_KEPT]:
            if len(data) <= LONGEST_KEPT:
                file.write(f"{name} {base64.b64encode(data).decode()}\n")


def _listen(
    process: subprocess.Popen[str], outcome: Outcome, seconds: float | None, progress: Progress
) -> None:
    began = time.monotonic()
    assert process.stdout is not None
    for line in process.stdout:
        word, _, rest = line.partition(" ")
        if word == "found":
            found = json.loads(rest)
            outcome.failures[found["kind"]] = found["input"]
        elif word in ("run", "end"):
            progress.step(outcome.name, int(rest) - outcome.inputs)
            outcome.inputs = int(rest)
        if seconds is not None and time.monotonic() - began > seconds:
            process.kill()
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
