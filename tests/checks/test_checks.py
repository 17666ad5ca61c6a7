"""Each check finds what is wrong, says nothing of what is right, and can be silenced."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hipflask import Flask, Response
from hipflask.checks.catalogue import catalogue
from hipflask.checks.confining import Confined
from hipflask.checks.declaring import Found, Look
from hipflask.checks.facts import (
    Action,
    Extension,
    Facts,
    Hit,
    Policy,
    Project,
    Provider,
    Read,
    Recorded,
    Route,
    Silence,
    Stored,
    Webhook,
    Write,
)
from hipflask.checks.gathering import gather
from hipflask.checks.probing import Probe
from hipflask.checks.running import _silenced, make
from hipflask.ops import probes
from hipflask.security import ApiKey, hashed_keys, public, roles

from .projects import TODAY

Given = dict[str, Any]
GET = Route(rule="/a", method="GET", endpoint="a", access="public", is_public=True, body=None)
POST = Route(rule="/a", method="POST", endpoint="a", access="authenticated", body="model")


def other(value: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(value, **changes)


def look(*, facts: Given | None = None, project: Given | None = None, **more: Any) -> Look:
    given: Given = {"stage": "service", "today": TODAY, **more}
    inside = {"root": "/nowhere", **(project or {})}
    return Look(facts=Facts(**(facts or {})), project=Project(**inside), **given)


def asked(*hits: tuple[str, str, str, int]) -> Recorded:
    return Recorded(
        hits=[Hit(rule=r, method=m, stance=s, statuses={str(code): 1}) for r, m, s, code in hits]
    )


SESSION = Provider(name="session", kind="SessionLogin", uses_cookies=True)
HOOK = Webhook(name="x", rule="/x", scheme="own", has_secrets=True, window_s=300, has_id=True)
ACTION = Action(name="ops/refund", has_example=True)
SAFE_CONFIG = {
    "MAX_CONTENT_LENGTH": 1, "MAX_FORM_PARTS": 1, "MAX_FORM_MEMORY_SIZE": 1,
    "REQUEST_BODY_TIMEOUT": 1, "SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
}  # fmt: skip
#: By id: what the check is to find something in, and what it is to find nothing in.
CASES: dict[str, tuple[Given, Given]] = {
    "A01": ({"facts": {"routes": [other(GET, access=None)]}}, {"facts": {"routes": [GET]}}),
    "A03": (
        {"facts": {"routes": [POST], "providers": [SESSION]}},
        {"facts": {"routes": [POST], "providers": [SESSION], "guards": ["origins"]}},
    ),
    "A04": (
        {"facts": {"providers": [Provider(name="p", kind="P", header="X", trusts_any_peer=True)]}},
        {"facts": {"providers": [Provider(name="p", kind="P", header="X")]}},
    ),
    "A05": (
        {"facts": {"providers": [Provider(name="d", kind="D", for_development=True)]}},
        {"facts": {"providers": [SESSION]}},
    ),
    "A06": (
        {"facts": {"webhooks": [other(HOOK, window_s=None, has_id=False)]}},
        {"facts": {"webhooks": [HOOK]}},
    ),
    "A07": (
        {"record": Recorded(writes=[Write(rule="/a", method="GET", verb="INSERT", table="t")])},
        {"record": Recorded()},
    ),
    "C02": (
        {"facts": {"reads": [Read(name="X", place="a.py:1")]}},
        {"facts": {"reads": [Read(name="X", place="a.py:1")], "settings": {"S": ["X"]}}},
    ),
    "C03": ({"facts": {"config": {"DEBUG": True}}}, {"facts": {"config": {"DEBUG": False}}}),
    "C04": (
        {"facts": {"has_sessions": True}},
        {"facts": {"has_sessions": True, "config": SAFE_CONFIG}},
    ),
    "C05": (
        {"facts": {"routes": [GET], "guards": ["headers"],
                   "config": {"CONTENT_SECURITY_POLICY": "script-src 'unsafe-inline'"}}},
        {"facts": {"routes": [GET], "guards": ["headers"],
                   "config": {"CONTENT_SECURITY_POLICY": "default-src 'self'"}}},
    ),
    "C06": ({"facts": {}}, {"facts": {"config": SAFE_CONFIG}}),
    "R01": ({"facts": {"routes": [other(POST, body=None)]}}, {"facts": {"routes": [POST]}}),
    "R04": (
        {"facts": {"routes": [other(GET, sunset="2026-11-22")]}},
        {"facts": {"routes": [other(GET, sunset="2026-11-23", deprecated="2026-11-01")]}},
    ),
    "R05": (
        {"facts": {"routes": [GET]}, "project": {"policy": Policy(path_style="/v1/.*")}},
        {"facts": {"routes": [GET]}, "project": {"policy": Policy(path_style="/[a-z]")}},
    ),
    "L02": (
        {"facts": {"extensions": [Extension(name="flask-x", version="1")]}},
        {"facts": {"extensions": [Extension(name="flask-x", version="1")]},
         "project": {"pinned": ["flask-x"], "policy": Policy(extensions={"Flask_X": "team"})}},
    ),
    "D02": (
        {"facts": {"stores": [Stored(source="S", kind="sqlite", file="/srv/a.db", is_wal=False)]}},
        {"facts": {"stores": [Stored(source="S", kind="sqlite", file="/srv/a.db", is_wal=True)]}},
    ),
    "T01": (
        {"facts": {"routes": [POST]}, "record": asked(("/a", "POST", "known", 200))},
        {"facts": {"routes": [POST]},
         "record": asked(("/a", "POST", "known", 200), ("/a", "POST", "anonymous", 401))},
    ),
    "T03": (
        {"facts": {"actions": [other(ACTION, has_secret=True, needs_approval=True)]}},
        {"facts": {"actions": [other(ACTION, needs_approval=True)]}},
    ),
    "S02": (
        {"project": {"stage": "pilot", "record": {"decide_by": "2026-11-22"}}},
        {"project": {"stage": "pilot", "record": {"decide_by": "2026-11-23"}}},
    ),
    "S03": (
        {"stage": "prototype", "project": {"serve": {"bind": ["0.0.0.0:8000"]}}},
        {"stage": "prototype", "project": {"serve": {"bind": "127.0.0.1:8000"}}},
    ),
}  # fmt: skip


def project_of(folder: Path, **files: str) -> Given:
    """Files by name ("__" for a slash), written and listed."""
    names = []
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        names.append(path.relative_to(folder).as_posix())
    return {"root": str(folder), "files": names}


def asking(app: Flask, folder: Path, **more: Any) -> Look:
    """A look at a live application, with a probe of it."""
    project = Project(**{"root": str(folder), **more.pop("project", {})})
    confined = Confined(folder)
    facts = gather(app, project, False, {}, [])
    probe = Probe(app, confined)
    return Look(facts=facts, project=project, app=app, probe=probe, stage="service",
                today=TODAY, **more)  # fmt: skip


class Item(msgspec.Struct):
    name: str


def guarded(is_broken: bool) -> Flask:
    app = Flask("guarded")
    app.identities = [ApiKey(hashed_keys({}))]
    app.get("/a", access=roles("clerk"))(lambda: "secret")
    if is_broken:
        app.before_request(lambda: "from a cache")
    return app


def typed(is_broken: bool) -> Flask:
    app = Flask("typed")

    @app.post("/items", access=public)
    def add(item: Item) -> Item:
        return item

    if is_broken:
        app.register_error_handler(400, lambda error: ("<h1>no</h1>", 400))
    return app


def stored(is_broken: bool) -> Flask:
    app = Flask("stored")
    app.config["HIPFLASK_DATABASE_URL"] = "postgresql://localhost/x"
    probes.ready_check(app, "store")(lambda: is_broken)  # False: it fails
    return app


def telling(is_broken: bool) -> Flask:
    app = Flask("telling")

    @app.get("/a", access=public)
    def view() -> str:
        return ""

    if is_broken:
        from hipflask import request

        app.before_request(lambda: app.logger.warning("%s", request.headers.get("Authorization")))
    return app


def keyed(is_broken: bool) -> Flask:
    app = Flask("keyed")
    app.secret_key = "0f9b1d7c35e84a62b8d4f6a1c3e5079b" if is_broken else "f1" * 3 + "02468ace" * 4
    return app


def page(is_broken: bool) -> Flask:
    app = Flask("page")
    fields = {"Content-Security-Policy": "frame-ancestors 'none'; default-src 'self'",
              "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}  # fmt: skip

    @app.get("/", access=public)
    def view() -> Response:
        return Response("<p>", headers={} if is_broken else fields)

    return app


def documented(is_broken: bool, folder: Path) -> Look:
    from hipflask.api import document
    from hipflask.cli.openapi import _dump

    app = typed(False)
    made = {} if is_broken else document(app)
    (folder / "openapi.json").write_text(_dump(made, folder / "openapi.json"))
    return asking(app, folder, project={"policy": Policy(openapi="openapi.json")})


def drifting(is_broken: bool, folder: Path) -> Look:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("alembic")
    metadata = sqlalchemy.MetaData()
    sqlalchemy.Table("drift", metadata, sqlalchemy.Column("id", sqlalchemy.Integer))
    scripts = "" if is_broken else "op.create_table('drift', sa.Column('id', sa.Integer))"
    revision = (
        "from alembic import op\nimport sqlalchemy as sa\nrevision = 'a1'\ndown_revision = None\n"
        f"def upgrade():\n    pass\n    {scripts}\n"
    )
    files = project_of(folder, migrations__versions__a1_py=revision)
    app = Flask("drifting")
    app.extensions["kept"] = metadata
    return asking(app, folder, project=files)


def planned(is_broken: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """The planner of tools, as far as the check speaks with it."""

    class PlanError(Exception):
        pass

    def make_plan(action: Any, parameters: Any, rows: Any, by: Any, about: Any) -> None:
        assert parameters == {"amount": 5} and len(rows) == 1
        if is_broken:
            raise PlanError("refund writes to the database while it is only planned")

    made = SimpleNamespace(PlanError=PlanError, make_plan=make_plan)
    for name in ("hipflask.tools", "hipflask.tools.actions"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(__path__=[]))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "hipflask.tools.actions.planning", made)  # type: ignore[arg-type]
    from hipflask.checks import example

    @example(rows=[SimpleNamespace(id=1)], amount=5)
    def refund(run: Any, row: Any, amount: int) -> None: ...

    action = SimpleNamespace(name="refund", function=refund, approve=frozenset(), undo_for_s=1)
    app = Flask("planned")
    app.extensions["hipflask.tools"] = {
        "ops": SimpleNamespace(name="ops", actions={"refund": action})
    }
    return asking(app, folder)


def layered(is_broken: bool, folder: Path) -> Look:
    what = "request" if is_broken else "Flask"
    text = "import typing\nif typing.TYPE_CHECKING:\n    from hipflask import g\n"
    text += f"from hipflask import {what}\n"
    return look(project=project_of(folder, services__a_py=text))


def calling(is_broken: bool, folder: Path) -> Look:
    text = f"import requests\nrequests.get('http://x'{'' if is_broken else ', timeout=5'})\n"
    return look(project=project_of(folder, calls_py=text))


def audited(is_broken: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    found = '[{"id": "PYSEC-1", "fix_versions": ["2"]}]' if is_broken else "[]"
    told = f'{{"dependencies": [{{"name": "x", "version": "1", "vulns": {found}}}]}}'
    from hipflask.checks import operating

    monkeypatch.setattr(operating, "_ran", lambda words, root: told)
    return look(project={"root": str(folder)})


def decided(is_broken: bool, folder: Path) -> Look:
    (folder / "pyproject.toml").write_text('[tool.hipflask]\nstage = "pilot"\nowner = "ada"\n')
    (folder / "decisions").mkdir()
    to = "service" if is_broken else "pilot"
    (folder / "decisions" / "0001-harden.md").write_text(f"# Decision\n\n- To: {to}\n")
    return look(project={"root": str(folder), "pyproject": str(folder / "pyproject.toml"),
                         "stage": "pilot", "record": {"owner": "ada"}})  # fmt: skip


def committed(is_broken: bool, folder: Path) -> Look:
    key = "0f9b1d7c35e84a62b8d4f6a1c3e5079b"
    files = project_of(folder, app_py=f"KEY = '{key if is_broken else 'elsewhere'}'\n")
    return asking(keyed(True), folder, project=files)


LIVE: dict[str, Callable[[bool], Flask]] = {
    "A02": guarded, "R02": typed, "O01": stored, "O02": telling, "C05 page": page,
}  # fmt: skip
MADE: dict[str, Callable[..., Look]] = {
    "C01": committed, "R03": documented, "D01": drifting, "T02": planned, "L01": layered,
    "O03": calling, "O04": audited, "S01": decided,
}  # fmt: skip


def both(name: str, folder: Path) -> tuple[Look, Look]:
    """A look that the check is to find something in, and one that it is to find nothing in."""
    if name in CASES:
        bad, good = CASES[name]
        return look(**bad), look(**good)
    sides = []
    for is_broken in (True, False):
        inner = folder / str(is_broken)
        inner.mkdir()
        if name in LIVE:
            sides.append(asking(LIVE[name](is_broken), inner))
        else:
            sides.append(MADE[name](is_broken, inner))
    return sides[0], sides[1]


def findings_of(id: str, look: Look) -> list[Any]:
    skipped: dict[str, str] = {}
    made = make(catalogue()[id], look, skipped)
    assert skipped == {}, skipped
    return made


NAMES = sorted([*CASES, *LIVE, *MADE])
# They look at the whole process, or at a module that stands in for another.
ALONE = ["D01", "O04", "T02"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ALONE])
def test_finds_what_is_wrong_and_nothing_else(name: str, tmp_path: Path) -> None:
    id = name.partition(" ")[0]
    bad, good = both(name, tmp_path)
    if name == "R02":
        bad.facts.routes[:] = [one for one in bad.facts.routes if one.rule == "/items"]
    found = findings_of(id, bad)
    assert found
    assert findings_of(id, good) == []
    for one in found:
        said = Silence(id=id, where=one.where, reason="known", owner="ada", until="2027-01-01")
        assert _silenced(one, [said]).silenced == "known (ada, until 2027-01-01)"
        assert _silenced(one, [other(said, where="elsewhere")]).silenced == ""
        assert _silenced(one, [other(said, id="X99")]).silenced == ""


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("is_broken", [True, False])
def test_checks_whose_sides_must_not_meet(
    name: str, is_broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = () if name == "D01" else (monkeypatch,)
    made = MADE[name](is_broken, tmp_path, *more)
    found = findings_of(name, made)
    if name == "D01":  # tables of other tests' modules are found in this process, too
        found = [one for one in found if one.where.endswith(" drift")]
    assert bool(found) is is_broken
    for one in found:
        said = Silence(id=name, where="*", reason="known", owner="ada", until="2027-01-01")
        assert _silenced(one, [said]).silenced
    made.app = None
    del made
    gc.collect()  # SQLAlchemy's metadata is found wherever it is


def test_every_check_has_its_fixtures() -> None:
    modules = {id: check.find.__module__ for id, check in catalogue().items()}
    # That of CONVENTIONS.md is held by the tests of stages.
    ours = {
        id
        for id, module in modules.items()
        if module.startswith("hipflask.") and not module.endswith(".conventions")
    }
    assert {name.partition(" ")[0] for name in NAMES} == ours


def test_an_inferred_finding_is_no_error() -> None:
    facts = {"routes": [POST], "ways": ["login"]}
    (one,) = findings_of("A03", look(facts=facts))
    assert one.level == "W"


def test_a_check_that_fails_is_left_out_and_said() -> None:
    def fail(look: Look) -> Any:
        raise RuntimeError("no")

    skipped: dict[str, str] = {}
    check = other(catalogue()["A01"], find=fail)
    assert make(check, look(), skipped) == []
    assert skipped == {"A01": "the check failed: RuntimeError: no"}


def test_a_silence_that_has_ended_still_silences_and_is_told() -> None:
    old = Silence(id="A01", where="GET /a", reason="r", owner="ada", until="2026-01-01")
    policy = {"policy": Policy(silence=[old])}
    (told,) = findings_of("S02", look(project=policy))
    assert told.level == "W" and "until 2026-01-01" in told.fact


def test_the_clock_decides_what_is_late() -> None:
    given = {"stage": "pilot", "record": {"decide_by": "2026-11-22"}}
    assert findings_of("S02", look(project=given, today=date(2026, 11, 22))) == []


def test_shallow_clones_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "0001-harden.md").write_text("- Commit: abc1234\n")
    given = {"root": str(tmp_path), "stage": "pilot", "record": {"owner": "ada"}}
    levels = {
        git: [one.level for one in findings_of("S01", look(project={**given, "git": git}))]
        for git in ("git", "shallow", "")
    }
    assert levels == {"git": ["E"], "shallow": ["I"], "": []}


def test_evidence_is_held_against_its_digest(tmp_path: Path) -> None:
    (tmp_path / "decisions").mkdir()
    (tmp_path / "evidence.json").write_text("{}")
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    text = f"- Evidence: evidence.json sha256:{digest}\n"
    (tmp_path / "decisions" / "0001-harden.md").write_text(text)
    given = {"root": str(tmp_path), "stage": "pilot", "record": {"owner": "ada"}}
    assert findings_of("S01", look(project=given)) == []
    (tmp_path / "evidence.json").write_text("{ }")
    assert [one.level for one in findings_of("S01", look(project=given))] == ["E"]


def test_wal_is_read_from_the_file(tmp_path: Path) -> None:
    from hipflask.checks.gathering import _is_wal

    file = tmp_path / "a.db"
    database = sqlite3.connect(file)
    database.execute("create table t (a)")
    database.commit()
    assert _is_wal(str(file)) is False
    database.execute("pragma journal_mode=wal")
    database.close()
    assert _is_wal(str(file)) is True
    assert _is_wal(str(tmp_path / "none.db")) is None


def test_unused_found_has_no_place() -> None:
    assert Found("a", "b").at == ""


def test_the_page_of_checks_is_made_of_the_declarations() -> None:
    page = Path(__file__).parents[2] / "docs" / "lookup" / "checks.md"
    done = subprocess.run(
        [sys.executable, "-m", "hipflask.checks"], capture_output=True, text=True, check=True
    )
    assert page.read_text(encoding="utf-8") == done.stdout
