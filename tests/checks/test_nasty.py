"""Applications that misbehave when they are imported: an end in time, a reason, no traceback."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hipflask.checks.loading import NotLoaded

from .projects import look_at

APP = "from hipflask import Flask\napp = Flask(__name__)\n"
#: What the module does, and a part of the reason it is not loaded for.
REFUSED = {
    "connects": ("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)\n", "app.py:2"),
    "exits": ("import sys\nsys.exit(4)\n", "ended the process with 4"),
    "leaves": ("import os\nos._exit(5)\n", "its process ended with 5"),
    "variable": ("import os\nKEY = os.environ['NO_SUCH_KEY']\n", "needs the variable NO_SUCH_KEY"),
    "program": ("import subprocess\nsubprocess.run(['true'])\n", "PermissionError"),
    "deletes": ("import os\nos.remove('kept.txt')\n", "nothing is changed"),
    "fails": ("1 / 0\n", "app.py:1: ZeroDivisionError"),
    "is none": ("app = 3\n", "holds no app"),
    "syntax": ("def\n", "SyntaxError"),
}
#: What the module does, where it can be looked at all the same.
TAKEN = {
    "threads": APP + "import threading\nthreading.Thread(target=threading.Event().wait).start()\n",
    "writes": APP + "open('app.log', 'a').write('x')\nopen('kept.txt', 'w').write('y')\n",
    "appends": APP + "open('kept.txt', 'a').write('y')\n",
    "logs": APP + "import logging\nlogging.basicConfig(filename='app.log')\n",
    "tries": APP + "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
             "except OSError:\n    pass\n",
    "sqlite": APP + "import sqlite3\nsqlite3.connect('a.db').execute('create table t (a)')\n",
    "routes": APP,
    "catch-all": APP + "@app.route('/<path:rest>')\ndef all(rest): raise SystemExit(9)\n",
    "folders": APP + "import os\nos.makedirs('instance/deep', exist_ok=True)\n",
    "prints": APP + "import sys\nprint('x' * 100_000)\nprint('y', file=sys.stderr)\n",
}  # fmt: skip


def project(folder: Path, text: str) -> Path:
    (folder / "app.py").write_text(text, encoding="utf-8")
    (folder / "kept.txt").write_text("kept", encoding="utf-8")
    return folder


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_loaded_is_told_in_a_line(name: str, tmp_path: Path) -> None:
    text, reason = REFUSED[name]
    folder = project(tmp_path, text + (APP if name != "is none" else ""))
    before = kept(folder)
    with pytest.raises(NotLoaded) as caught:
        look_at(folder, app="app")
    told = str(caught.value)
    assert reason in told
    assert "Traceback" not in told and "\n" not in told
    assert kept(folder) == before


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_what_can_be_loaded_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    folder = project(tmp_path, TAKEN[name])
    before = kept(folder)
    report = look_at(folder, app="app", stage="service")
    assert kept(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ["app.py", "kept.txt"]
    tried = {"writes": "write: ", "tries": "connect: 192.0.2.1:80", "folders": "folder: "}
    if name in tried:
        assert any(one.startswith(tried[name]) for one in report.facts.attempts)
    if name == "routes":
        assert report.facts.own_routes == []
    if name == "catch-all":
        (route,) = report.facts.own_routes
        assert route.is_catch_all


def test_a_loop_is_ended_in_time(tmp_path: Path) -> None:
    folder = project(tmp_path, "while True:\n    pass\n")
    begun = time.monotonic()
    with pytest.raises(NotLoaded, match="not loaded within 2 s"):
        look_at(folder, app="app", limit_s=2)
    assert time.monotonic() - begun < 60


def test_no_view_is_entered_without_probe(tmp_path: Path) -> None:
    text = "import os\n@app.route('/')\ndef index(): os._exit(9)\n"
    report = look_at(project(tmp_path, APP + text), app="app", stage="service")
    assert "C05" in report.made


def test_a_date_that_has_passed_fails_only_the_scheduled_run(tmp_path: Path) -> None:
    folder = project(tmp_path, APP)
    text = '[tool.hipflask]\nstage = "prototype"\nowner = "a"\ndecide_by = 2020-01-01\n'
    (folder / "pyproject.toml").write_text(text)
    levels = {
        scheduled: [one.level for one in look_at(
            folder, app="app", only=("S02",), scheduled=scheduled
        ).findings]
        for scheduled in (False, True)
    }  # fmt: skip
    assert levels == {False: ["W"], True: ["E"]}


def test_a_shallow_clone_and_no_git(tmp_path: Path) -> None:
    from hipflask.checks.project import look_around

    origin = tmp_path / "origin"
    origin.mkdir()
    project(origin, APP)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(origin)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"], ["commit", "-qm", "b",
                  "--allow-empty"]):  # fmt: skip
        subprocess.run([*git, *words], check=True)
    url = f"file://{origin}"
    subprocess.run(["git", "clone", "-q", "--depth", "1", url, str(tmp_path / "c")], check=True)
    assert look_around(origin).git == "git"
    assert look_around(tmp_path / "c").git == "shallow"
    bare = tmp_path / "bare"
    bare.mkdir()
    project(bare, APP)
    assert (look_around(bare).git, look_around(bare).files) == ("", ["app.py", "kept.txt"])


def test_a_hundred_routes_are_looked_at_quickly(tmp_path: Path) -> None:
    """CPU of the process that loads them, which does not grow with what else runs here."""
    views = "".join(
        f"@app.post('/r{n}/<int:id>', access=public)\ndef v{n}(id: int, b: B) -> B: return b\n"
        for n in range(100)
    )
    text = "import msgspec\nfrom hipflask.security import public\nclass B(msgspec.Struct): a: int\n"
    folder = project(tmp_path, APP + text + views)
    if sys.platform == "win32":
        pytest.skip("CPU of children is not told here")
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = look_at(folder, app="app", stage="service", probe=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(report.facts.own_routes) == 100
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 5 * 2  # 5 s on an idle machine
