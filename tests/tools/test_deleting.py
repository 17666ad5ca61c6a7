"""Rows that are deleted: by an action, which says first what it would do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.tools import Tool
from hipflask.tools.runs.states import RunState
from hipflask.tools.runs.working import make_crew

Ask = Callable[..., Any]
PATIENCE_S = 60


def test_a_row_is_planned_and_then_deleted(ops: Tool, get: Ask, post: Ask) -> None:
    orders = ops.table("orders", read="support", filters=["status"])
    orders.deletable(roles="lead", limit=10)
    address = "/ops/tables/orders"
    assert "Delete" not in get(address, "sue").text
    assert 'name="key" value="7"' in get(address, "lea").text
    assert "?key=7" in get(f"{address}/rows/7", "lea").text

    lea = Identity("lea", roles={"support", "lead"})
    gate = ops.runs.gate
    run = gate.plan("orders.delete", {}, lea, "page", keys=["7", "8"])
    assert get(f"{address}/rows/7", "lea").status_code == 200
    gate.submit(run.id, run.digest, lea, "page")
    crew = make_crew(ops.runs, threads=1)
    crew.start()
    try:
        until = time.monotonic() + PATIENCE_S
        while gate.read(run.id, lea)[0].state is not RunState.DONE:
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        assert crew.stop()
    assert get(f"{address}/rows/7", "lea").status_code == 404
    assert "118 rows" in get(address, "lea").text


def test_what_is_in_no_database_is_not_deleted(ops: Tool) -> None:
    table = ops.table([{"id": 1}], name="few", read="support")
    with pytest.raises(SetupError, match="in no database"):
        table.deletable(roles="lead")
