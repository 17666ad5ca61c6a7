"""The shop and its supplier: the whole story at a small size, and its parts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the inbox needs hipflask[webhooks]")

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples.dropshipping.nightly import arrival_of  # noqa: E402
from examples.dropshipping.shapes import Changed, Product  # noqa: E402
from examples.dropshipping.shop import SECRET, create_app  # noqa: E402
from examples.dropshipping.supplier import Burst, Catalogue  # noqa: E402

PRODUCTS, CHANGED = 150, 120


def test_nothing_is_missed_after_the_night(tmp_path):
    words = [sys.executable, "-m", "examples.dropshipping", "--products", str(PRODUCTS)]
    words += ["--changed", str(CHANGED), "--keep", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(
        re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines() if "  " in line
    )
    assert lines["missed"] == "0"
    assert lines["given up by the supplier"] == "0"
    # What never left the supplier was missed until the night came.
    dropped = int(re.search(r"dropped (\d+)", lines["gone wrong on purpose"])[1])
    behind = int(lines["behind after the burst"])
    assert 0 < behind <= dropped
    assert lines["the night"] == f"{PRODUCTS} products seen, {behind} missed"


def sent(catalogue: Catalogue) -> list[Changed]:
    """Have the catalogue deliver into a list."""
    found: list[Changed] = []
    catalogue._deliver = found.append  # type: ignore[method-assign]
    return found


def test_a_burst_drops_doubles_and_reorders():
    catalogue = Catalogue(100, "http://127.0.0.1:9/supplier", SECRET)
    found = sent(catalogue)
    catalogue.burst(Burst(100, dropped=0.1, duplicated=0.2, reordered=0.3))
    tally = catalogue.sent
    assert tally.changes == 150 and tally.is_done
    assert tally.dropped and tally.duplicated and tally.reordered
    assert len(found) == tally.changes - tally.dropped + tally.duplicated
    assert {one.version for one in catalogue.products.values()} == {2, 3}
    versions = [one.product.version for one in found if one.product.sku == "sku-00000"]
    assert set(versions) <= {2, 3}


def test_without_trouble_each_change_is_sent_once():
    catalogue = Catalogue(20, "http://127.0.0.1:9/supplier", SECRET)
    found = sent(catalogue)
    catalogue.burst(Burst(20, dropped=0, duplicated=0, reordered=0))
    assert len({one.id for one in found}) == len(found) == 30


def test_pages_hold_each_product_once():
    catalogue = Catalogue(25, "http://127.0.0.1:9/supplier", SECRET)
    first = catalogue.page("", 10)
    second = catalogue.page(first.products[-1].sku, 10)
    third = catalogue.page(second.products[-1].sku, 10)
    assert [len(page.products) for page in (first, second, third)] == [10, 10, 5]
    assert [page.more for page in (first, second, third)] == [True, True, False]


def test_an_older_change_is_not_written_over_a_newer_one(tmp_path):
    app = create_app({"SHOP_INBOX": f"sqlite:///{tmp_path / 'shop.db'}"})
    runner = app.test_cli_runner()
    assert runner.invoke(args=["prepare"]).exit_code == 0
    from sqlalchemy import text

    from examples.dropshipping.shop import PUT

    hooks = app.extensions["hipflask.webhooks"]
    with hooks.database.begin() as db:
        for version in (1, 3, 2):
            values = {"sku": "a", "version": version, "name": "A", "cents": version, "stock": 1}
            db.execute(PUT, values)
        assert db.execute(text("SELECT version, cents FROM product")).all() == [(3, 3)]


def test_what_was_missed_has_the_id_of_its_webhook():
    arrival = arrival_of(Product("sku-1", 4, "One", 100, 2))
    assert (arrival.event_id, arrival.key, arrival.source) == ("sku-1-4", "sku-1", "supplier")
