"""`make hostile` in short: it holds, and finds the fault that is planted."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hostile.cut import chunked
from benchmarks.hostile.logins import forgeries
from benchmarks.hostile.malformed import read_corpus
from benchmarks.hostile.sockets import frame
from benchmarks.hostile.wire import Exchange, post

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.hostile", "--quick", *words]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_corpus_has_what_it_says():
    found = read_corpus()
    assert len(found) >= 200
    assert len({case.name for case in found}) == len(found)
    assert {case.expected for case in found} == {"refuse", "any", "serve", "smuggle"}


def test_what_is_sent_is_what_was_meant():
    assert chunked(b"abcdef") == b"2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n"
    assert frame(0x81, b"hi") == b"\x81\x82\0\0\0\0hi"
    assert frame(0x82, b"", mask=False, length=1 << 16)[:2] == b"\x82\x7f"
    assert post("/x", b"ab").endswith(b"Content-Length: 2\r\n\r\nab")


def test_an_interim_answer_is_none():
    both = Exchange(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    assert (both.statuses, both.status, Exchange(b"").status) == ([204], 204, 0)


def test_the_short_run_holds():
    done = run("--only", "malformed,cut,sockets")
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "5xx 0, hangs 0, leaks 0" in done.stdout


def test_what_keeps_people_and_their_data_apart_holds():
    for name in ("sqlalchemy", "argon2", "limits"):
        pytest.importorskip(name)
    done = run("--only", "guards,state,restore")
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "5xx 0, hangs 0, leaks 0" in done.stdout


def test_forgeries_are_forged():
    given = "eyJhdCI6ImZpcnN0In0.aSMj1g.c2lnbmF0dXJlIG9mIDIwIGJ5dGU"
    found = list(itertools.islice(forgeries(given, random.Random(3)), 2_000))
    assert given not in found and len(set(found)) > 1_000


def test_a_fault_in_the_app_is_found():
    done = run("--only", "malformed", FAULT="1")
    assert done.returncode == 1
    assert "5xx 0, hangs 0, leaks 0" not in done.stdout
