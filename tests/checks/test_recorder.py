"""The pytest plug-in that records which routes the tests reach."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import hipflask
from hipflask.checks.facts import Hit, Recorded, Write
from hipflask.checks.project import RECORD_FILE
from hipflask.checks.recorder import together

APP = """\
import os
import sqlalchemy as sa
from hipflask import Flask
from hipflask.security import ApiKey, Identity, hash_key, hashed_keys, authenticated, public
KEY = "key_" + "a" * 40
app = Flask(__name__)
app.identities = [ApiKey(hashed_keys({hash_key(KEY): Identity("ada")}))]
engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
with engine.begin() as made:
    made.exec_driver_sql("create table seen (a)")
@app.get("/seen/<int:n>", access=public)
def seen(n):
    with engine.begin() as c:
        c.exec_driver_sql("insert into seen values (1)")
        c.exec_driver_sql("select * from seen")
    return ""
@app.post("/new", access=authenticated)
def new():
    with engine.begin() as c:
        c.exec_driver_sql("insert into seen values (2)")
    return os.environ.get("MODE", "")
"""
TESTS = """\
from app import KEY, app
import pytest
@pytest.fixture
def client(): return app.test_client()
def test_seen(client): assert client.get("/seen/4").status_code == 200
def test_new(client):
    assert client.post("/new").status_code == 401
    assert client.post("/new", headers={"X-API-Key": KEY}).status_code == 200
"""


def record(folder: Path, *words: str) -> Recorded:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p",
               "hipflask.checks.recorder", *words]  # fmt: skip
    source = str(Path(hipflask.__file__).parents[1])
    environ = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return msgspec.json.decode((folder / RECORD_FILE).read_bytes(), type=Recorded)


def test_routes_stances_writes_and_variables_are_recorded(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "test_app.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    alone = record(tmp_path)
    assert alone == Recorded(
        tests=2,
        hits=[
            Hit(rule="/new", method="POST", stance="anonymous", statuses={"401": 1}),
            Hit(rule="/new", method="POST", stance="known", statuses={"200": 1}),
            Hit(rule="/seen/<int:n>", method="GET", stance="anonymous", statuses={"200": 1}),
        ],
        writes=[Write(rule="/seen/<int:n>", method="GET", verb="INSERT", table="seen")],
        reads={"MODE": "app.py:21"},
    )
    pytest.importorskip("xdist")
    assert record(tmp_path, "-n2") == alone


def test_parts_are_put_together() -> None:
    one = Recorded(tests=1, hits=[Hit(rule="/", method="GET", stance="known", statuses={"200": 2})])
    two = Recorded(tests=2, failed=1, hits=[
        Hit(rule="/", method="GET", stance="known", statuses={"200": 1, "404": 1})
    ])  # fmt: skip
    assert together([one, two]) == Recorded(
        tests=3,
        failed=1,
        hits=[Hit(rule="/", method="GET", stance="known", statuses={"200": 3, "404": 1})],
    )
