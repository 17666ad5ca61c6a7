"""The figures of start-up from made-up rows, and the programs that are started."""

from __future__ import annotations

import sys

import pytest

from benchmarks.document import Row
from benchmarks.startup import ASK, HELLOS, dump_program, figures_of, run


def test_import_is_judged_with_and_without_werkzeugs_part() -> None:
    rows = []
    for label, costs in (("import ms", (100, 200, 130)), ("import MB", (25, 32, 29))):
        for peer, cost in zip(("werkzeug", "flask", "hipflask"), costs, strict=True):
            rows.append(Row(peer, "", label, [cost, cost + 50.0]))
    assert [(round(one.ours, 3), one.held) for one in figures_of(rows)] == [
        (0.65, True),
        (0.3, True),
        (0.906, False),
        (0.571, False),
    ]


def test_without_flask_nothing_is_judged() -> None:
    assert figures_of([Row("hipflask", "", "import ms", [1.0])]) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", ["raw", "hipflask"])
def test_a_program_says_time_and_memory_of_import_and_first_answer(name: str) -> None:
    steps = run(dump_program(name))
    assert len(steps) == 2
    assert all(took >= 0 and 1 < size < 1000 for took, size in steps)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_hipflask_answers_the_programs_asgi_client_too() -> None:
    program = dump_program("hipflask").replace(ASK["wsgi"], ASK["asgi"])
    assert len(run(program)) == 2


def test_a_program_that_fails_says_its_error() -> None:
    with pytest.raises(RuntimeError, match="ModuleNotFoundError: No module named 'no_such'"):
        run("import no_such")


def test_every_program_compiles() -> None:
    for name in HELLOS:
        compile(dump_program(name, slowed=True), name, "exec")
