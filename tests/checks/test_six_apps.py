"""Six applications in the shapes that people write: every seeded defect, and no other error."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from hipflask.checks.running import Report

from .projects import copy_app, look_at, named, write_record

_KNOWN, _NOBODY = "known", "anonymous"
STOCK_HITS = [
    ("/parts/<int:number>", "GET", _KNOWN, 200),
    ("/parts/<int:number>", "GET", _NOBODY, 401),
    ("/parts", "POST", _KNOWN, 200),  # T01: never without credentials
    ("/old", "GET", _KNOWN, 200),
    ("/old", "GET", _NOBODY, 401),
]
HITS = {
    "stock": STOCK_HITS,
    "notes": [("/", "GET", _NOBODY, 200), ("/export", "GET", _NOBODY, 200),
              ("/notes", "POST", _NOBODY, 201), ("/notes", "PUT", _NOBODY, 204)],
    "desk": [("/", "GET", _NOBODY, 200), ("/reports", "GET", _KNOWN, 200),
             ("/reports", "GET", _NOBODY, 401), ("/tickets", "GET", _KNOWN, 200),
             ("/tickets", "GET", _NOBODY, 401), ("/tickets", "POST", _KNOWN, 200),
             ("/tickets", "POST", _NOBODY, 401)],
    "gateway": [("/who", "GET", _KNOWN, 200), ("/who", "GET", _NOBODY, 401),
                ("/partner", "POST", _NOBODY, 202)],
    "blog": [("/", "GET", _NOBODY, 200), ("/create", "POST", _NOBODY, 302)],
    "shop": [("/orders", "GET", _NOBODY, 200)],
}  # fmt: skip
ERRORS = {
    "stock": {
        ("R02", "GET /parts/<int:number>"), ("R02", "POST /parts"), ("T01", "POST /parts"),
        ("O01", "/readyz"),
    },
    "notes": {("A01", "GET /export"), ("C03", "TESTING"), ("R01", "POST /notes")},
    "desk": {
        ("A02", "GET /reports"), ("A03", "POST /tickets"), ("C04", "SESSION_COOKIE_SECURE"),
        ("C05", "GET /"), ("C05", "GET /reports"), ("C05", "GET /tickets"),
    },
    "gateway": {
        ("A04", "provider proxy"), ("A05", "provider dev"), ("A06", "POST /partner"),
        ("O02", "logger app"),
    },
    "blog": {
        ("C01", "SECRET_KEY in blog/__init__.py"), ("C06", "MAX_CONTENT_LENGTH"),
        ("O01", "/readyz"),
    },
    "shop": {
        ("C03", "PROPAGATE_EXCEPTIONS"), ("L02", "flask-sqlalchemy"), ("D01", "migrations"),
        ("O01", "/readyz"),
    },
}  # fmt: skip
WARNINGS = {
    "stock": {("C02", "STOCK_PAGE"), ("R03", "openapi.json"), ("R04", "GET /old")},
    "notes": {("O03", "app.py")},
    "desk": {("L01", "services/tickets.py")},
    "gateway": set(),
    "blog": {("D02", "DATABASE")},
    "shop": set(),
}
NAMES = {"blog": "blog", "shop": "shop", "stock": "app:create_app"}


@pytest.fixture(scope="module", params=sorted(ERRORS))
def looked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Report, Path]:
    name: str = request.param
    if name == "shop" and importlib.util.find_spec("flask_sqlalchemy") is None:
        pytest.skip("needs Flask-SQLAlchemy")
    folder = copy_app(name, tmp_path_factory.mktemp(name))
    write_record(folder, *HITS[name])
    if name == "blog":  # D02: SQLite as it is made, without WAL
        import sqlite3

        database = sqlite3.connect(folder / "blog" / "blog.sqlite")
        database.execute("create table post (text)")
        database.commit()
        database.close()
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    as_flask = name in ("blog", "shop")
    report = look_at(folder, app=NAMES.get(name, "app"), probe=True, as_flask=as_flask)
    after = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    assert after == before, "check left something behind"
    return name, report, folder


def test_every_seeded_defect_and_no_other_error(looked: tuple[str, Report, Path]) -> None:
    name, report, _ = looked
    assert named(report.findings, "E") == ERRORS[name]


def test_what_is_likely_is_a_warning(looked: tuple[str, Report, Path]) -> None:
    name, report, _ = looked
    assert named(report.findings, "W") >= WARNINGS[name]


def test_no_check_failed_by_itself(looked: tuple[str, Report, Path]) -> None:
    _, report, _ = looked
    assert {id: why for id, why in report.skipped.items() if "failed" in why} == {}


def test_each_finding_says_fact_place_why_and_fix(looked: tuple[str, Report, Path]) -> None:
    _, report, folder = looked
    for one in report.findings:
        assert one.where and one.fact and one.why and one.fix
        if one.file:
            assert (folder / one.file).is_file(), one


def test_plain_flask_is_told_a_way_out_that_it_has(looked: tuple[str, Report, Path]) -> None:
    name, report, _ = looked
    ours = [one for one in report.findings if "protect(app" in one.fix or "HIPFLASK_" in one.fix]
    assert not ours or name not in ("blog", "shop")
