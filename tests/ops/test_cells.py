from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hipflask.ops import cells
from hipflask.ops.cells import FileCells
from hipflask.ops.metrics import Registry

WORK = """
import os, signal, sys
from pathlib import Path
from hipflask.ops.cells import FileCells
from hipflask.ops.metrics import Registry
registry = Registry()
registry.move(FileCells(Path(sys.argv[1])))
counter = registry.counter("done_total", "Done.", ["kind"])
took = registry.histogram("took", "Took.", bounds=(1, 2))
for number in range(1000):
    counter.add(1, f"kind {number % 3}")
    took.observe(number % 3)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def file_cells() -> Iterator[Callable[[Path], FileCells]]:
    made = []

    def make(stem: Path) -> FileCells:
        made.append(FileCells(stem))
        return made[-1]

    yield make
    for each in made:
        each.close()


def values(stem: Path) -> dict[str, list[float]]:
    return {
        " ".join((family.name, *labels)): numbers
        for family in cells.read(stem)
        for labels, numbers in family.series.items()
    }


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_a_killed_process_counted_is_there(tmp_path: Path) -> None:
    stem = tmp_path / "one"
    ended = subprocess.run([sys.executable, "-c", WORK, str(stem)])
    assert ended.returncode < 0
    assert values(stem) == {
        "done_total kind 0": [334],
        "done_total kind 1": [333],
        "done_total kind 2": [333],
        "took": [667, 333, 0, 999],
    }


def test_what_was_counted_before_moves_along_and_handles_stay_valid(
    tmp_path: Path, file_cells: Callable[[Path], FileCells]
) -> None:
    registry = Registry()
    series = registry.counter("a_total", "A.", ["x"]).series("1")
    took = registry.histogram("took", "T.", bounds=(1,)).series()
    series.add(2)
    took.observe(5)
    registry.move(file_cells(tmp_path / "one"))
    series.add(1)
    took.observe(0.5)
    registry.gauge("depth", "D.", across="max").ask(lambda: 7)
    assert values(tmp_path / "one") == {"a_total 1": [3], "took": [1, 1, 5.5], "depth": [0]}
    registry.refresh()
    assert values(tmp_path / "one")["depth"] == [7]
    assert [family.across for family in cells.read(tmp_path / "one")][-1] == "max"


def test_files_grow_and_old_places_stay(
    tmp_path: Path, file_cells: Callable[[Path], FileCells]
) -> None:
    registry = Registry()
    registry.move(file_cells(tmp_path / "one"))
    took = registry.histogram("took", "T.", ["n"])
    first = took.series("0")
    for number in range(1500):
        took.observe(1, str(number))
    first.observe(1)
    found = values(tmp_path / "one")
    assert len(found) == 1500
    assert found["took 0"][-1] == 2
    assert {numbers[-1] for name, numbers in found.items() if name != "took 0"} == {1}
    assert os.path.getsize(tmp_path / "one.cells") > 2 * cells.PIECE_BYTES


def test_threads_that_make_series_lose_no_count(
    tmp_path: Path, file_cells: Callable[[Path], FileCells]
) -> None:
    registry = Registry()
    registry.move(file_cells(tmp_path / "one"))
    counter = registry.counter("a_total", "A.", ["n"])

    def work() -> None:
        for number in range(2000):
            counter.add(1, str(number % 50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(map(tuple, values(tmp_path / "one").values())) == {(320.0,)}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk")
def test_a_full_disk_costs_the_figures_and_no_more(
    tmp_path: Path, file_cells: Callable[[Path], FileCells], caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry()
    counter = registry.counter("a_total", "A.", ["n"])
    counter.add(1, "0")
    (tmp_path / "one.cells").symlink_to("/dev/full")
    registry.move(file_cells(tmp_path / "one"))
    counter.add(1, "0")
    counter.add(1, "1")
    assert (counter.value("0"), counter.value("1")) == (2, 1)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_is_being_written_is_left_out(
    tmp_path: Path, file_cells: Callable[[Path], FileCells], cut: int
) -> None:
    registry = Registry()
    registry.move(file_cells(tmp_path / "one"))
    counter = registry.counter("a_total", "A.", ["n"])
    counter.add(1, "0")
    counter.add(1, "1")
    keys = tmp_path / "one.keys"
    keys.write_bytes(keys.read_bytes()[: -min(cut, len(b'[0,["1"],1]\n'))])
    assert values(tmp_path / "one") == {"a_total 0": [1]}


def test_nothing_is_read_of_who_has_not_begun(tmp_path: Path) -> None:
    assert cells.read(tmp_path / "none") == []
    cells.remove(tmp_path / "none")
