"""What `make kits` judges by: the table, what a forged write changes, who is first in what."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.kits import judging, rows  # noqa: E402  (found by the line above)
from benchmarks.kits.catalogue import KITS, OURS, dump_fields  # noqa: E402
from benchmarks.kits.forging import FORM, MEDIA, Forged  # noqa: E402

OTHER = judging.Seen(
    "other", "1.0", judging.Weight(4, 0, 70_000, 90_000), ["label at 375 px"], 15,
    Forged(5, ("POST /new",)), [200.0, 90.0, 400.0],
)  # fmt: skip
READER = judging.Seen(
    "reader", "2.0", judging.Weight(9, 1, 900_000, 900_000), [], 0, Forged(0, ()), [300, 300, 900]
)
GOOD = judging.Seen(
    "ours", "0", judging.Weight(3, 0, 45_000, 60_000), [], 0, Forged(5, ()), [100.0, 100.0, 200.0]
)


def missed(ours, others=(OTHER, READER)):
    return [figure.name for figure in judging.figures(ours, others) if not figure.held]


def test_first_or_as_good_as_the_first_in_each_column_is_held():
    assert missed(GOOD) == []
    equal = judging.Weight(4, 0, 70_000, 90_000)
    assert missed(replace(GOOD, weight=equal, times=OTHER.times)) == []
    assert judging.document_of(GOOD, [OTHER, READER]).code == 0


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"weight": judging.Weight(5, 0, 45_000, 60_000)}, "requests"),
        ({"weight": judging.Weight(3, 0, 70_001, 60_000)}, "kB of the first visit"),
        ({"weight": judging.Weight(3, 0, 45_000, 90_001)}, "kB of it unpacked"),
        ({"findings": ["label at 1280 px"]}, "axe findings"),
        ({"overflow": 1}, "overflow at 375 px"),
        ({"forged": Forged(5, ("POST /open-door",))}, "forged writes done"),
        ({"times": [201.0, 100.0, 401.0]}, "time to first row"),
    ],
)
def test_what_any_other_does_better_is_missed(fault, name):
    worse = replace(GOOD, **fault)
    assert [each.partition(",")[0] for each in missed(worse)] == [name]
    assert judging.document_of(worse, [OTHER, READER]).code == 1


def test_times_are_compared_within_each_round():
    assert OTHER.slower_than(GOOD) == 2.0  # of 2.0, 0.9 and 2.0
    assert GOOD.slower_than(GOOD) == 1.0


def test_the_table_names_what_was_seen():
    table = judging.format_seen(GOOD, [OTHER, READER])
    ours, other, reader = table.splitlines()[2:]
    assert ours.startswith("| ours 0") and "0 of 5" in ours and "1.00x" in ours
    assert "70 (90)" in other and "1 (1)" in other and "15 px" in other and "2.00x" in other
    assert "9, 1 to another host" in reader and "none: reads only" in reader


def test_a_write_changes_the_digest_of_the_table(tmp_path):
    file = tmp_path / "shop.db"
    rows.make(file)
    with closing(sqlite3.connect(file)) as shop:
        assert shop.execute("SELECT count(*) FROM orders").fetchone() == (1_200,)
        firsts = shop.execute("SELECT id FROM orders WHERE customer = ?", [rows.FIRST]).fetchall()
        assert firsts == [(1,)]
    before = rows.digest(file)
    assert rows.digest(file) == before
    with closing(sqlite3.connect(file)) as shop:
        shop.execute("UPDATE orders SET amount = amount + 1 WHERE id = 900")
        shop.commit()
    assert rows.digest(file) != before


def test_a_form_is_written_in_each_media_type_that_forms_have():
    fields = {"a": "1 2", "b": "ü"}
    urlencoded, multipart, plain = (dump_fields(fields, media) for media in MEDIA)
    assert MEDIA[0] == FORM and urlencoded == b"a=1+2&b=%C3%BC"
    assert multipart.count(b"--kits\r\n") == 2 and multipart.endswith(b"--kits--\r\n")
    assert plain.startswith(b"{")


def test_six_kits_are_compared_and_ours_is_the_first():
    assert KITS[0] is OURS
    assert len({kit.package for kit in KITS}) == 6
    for kit in KITS:
        assert any("{port}" in word for word in kit.command)
