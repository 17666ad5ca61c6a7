"""Every parser: its corpus and a few bent inputs, and how its cost grows."""

from __future__ import annotations

import base64
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("cryptography")
ROOT = Path(__file__).resolve().parents[2]
# The senders of the tests of webhooks, and the bar of benchmarks, by their full names.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from .parsers.listed import PARSERS  # noqa: E402
from .parsers.mutate import inputs_of  # noqa: E402

CORPUS = Path(__file__).parent / "parsers" / "corpus.txt"
MUTANTS = int(200 * float(os.environ.get("FUZZ_EFFORT", "1")))

# Werkzeug's form parser leaves the files of a body cut short to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")


def corpus() -> dict[str, list[bytes]]:
    """Inputs that reached new branches, by parser; `make fuzz KEEP=1` makes them."""
    found: dict[str, list[bytes]] = {}
    for line in CORPUS.read_text(encoding="ascii").splitlines():
        name, _, text = line.partition(" ")
        if not name.startswith("#"):
            found.setdefault(name, []).append(base64.b64decode(text))
    return found


KEPT = corpus()


def test_the_corpus_names_parsers():
    assert KEPT.keys() <= PARSERS.keys()


@pytest.mark.parametrize("name", PARSERS)
def test_nothing_but_a_refusal_comes_out_of(name):
    parser = PARSERS[name]
    bent = itertools.islice(inputs_of(parser, 7), len(parser.seeds) + MUTANTS)
    found = {
        kind: data
        for data in itertools.chain(KEPT.get(name, ()), bent)
        if (kind := parser.survives(data)) is not None
    }
    assert found == {}


def run(module: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"tests.fuzz.parsers{module}", *words]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_program_finds_a_fault_and_counts_inputs():
    words = ("--inputs", "400", "--only", "rate,moment", "--engine", "mutations")
    done = run("", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "inputs 400, unexpected exceptions 0" in done.stdout
    done = run("", *words, FAULT="1")
    assert done.returncode == 1
    assert "FAIL rate: the planted fault" in done.stdout


@pytest.mark.skipif("GROWTH" not in os.environ, reason="minutes of callgrind: GROWTH=1")
def test_cost_is_in_proportion_to_size():
    done = run(".growth", "--only", "cookie")
    assert done.returncode in (0, 2), done.stdout + done.stderr
    assert "over 1.2: 0" in done.stdout


@pytest.mark.skipif("GROWTH" not in os.environ, reason="minutes of callgrind: GROWTH=1")
def test_a_quadratic_parser_is_found():
    done = run(".growth", "--only", "planted", FAULT="1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"FAIL planted, .* exponent (1\.[6-9]|2)", done.stdout), done.stdout
