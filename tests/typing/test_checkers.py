"""What mypy and pyright say of typed views: nothing of what is right, a line of each mistake.

`accepted/` must pass both. In `refused/` each line that ends in `# error: ...` must be
reported by both, one in `# error (pyright): ...` by pyright (mypy does not look at calls
inside `Annotated`), and no other line by either.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = sorted([*HERE.glob("accepted/*.py"), *HERE.glob("refused/*.py")])
PATIENCE_S = 300

Place = tuple[str, int]


def expected(checker: str) -> set[Place]:
    return {
        (path.relative_to(HERE).as_posix(), number)
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "# error: " in line or f"# error ({checker}): " in line
    }


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def by_mypy(folder: Path) -> dict[Place, str]:
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\npretty = False\n", encoding="utf-8")
    cache = ROOT / ".cache" / "mypy-typing"
    printed = run(
        "mypy",
        f"--config-file={config}",
        f"--cache-dir={cache}",
        "--no-error-summary",
        "--show-absolute-path",
        *map(str, FILES),
        cwd=folder,
    )
    found = {}
    for line in printed.splitlines():
        report = re.fullmatch(r"(.+\.py):(\d+): error: (.+)", line)
        if report:
            found[_place(report[1]), int(report[2])] = report[3]
    return found


def by_pyright(folder: Path) -> dict[Place, str]:
    config = folder / "pyrightconfig.json"
    settings = {
        "include": [str(HERE / "accepted"), str(HERE / "refused")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        # An expression that is only looked at, a view that nobody calls: both are meant here.
        "reportUnusedExpression": False,
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    words = ("basedpyright", "--outputjson", "-p", str(config), "--pythonpath", sys.executable)
    found = {}
    for report in json.loads(run(*words, cwd=folder))["generalDiagnostics"]:
        if report["severity"] == "error":
            line = report["range"]["start"]["line"] + 1
            found[_place(report["file"]), line] = report["message"]
    return found


def _place(file: str) -> str:
    path = Path(file).resolve()
    return path.relative_to(HERE).as_posix() if path.is_relative_to(HERE) else str(path)


@pytest.mark.parametrize(
    ("checker", "module", "report"),
    [("mypy", "mypy", by_mypy), ("pyright", "basedpyright", by_pyright)],
)
def test_a_checker_reports_the_mistakes_and_nothing_else(checker, module, report, tmp_path):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install 'hipflask[lint]'")
    found, wanted = report(tmp_path), expected(checker)
    wrong = [f"{name}:{line}: {found[name, line]}" for name, line in found.keys() - wanted]
    wrong += [f"{name}:{line}: nothing reported" for name, line in wanted - found.keys()]
    assert not wrong, "\n".join(sorted(wrong))


def test_there_are_mistakes_to_report():
    counts = Counter(name for name, _ in expected("mypy"))
    assert counts["refused/wrong_providers.py"] >= 8
    assert counts["refused/wrong_views.py"] >= 10
    assert not any(name.startswith("accepted/") for name in counts)


@pytest.mark.parametrize("path", sorted(HERE.glob("accepted/*.py")), ids=lambda path: path.stem)
def test_what_is_accepted_is_also_served(path, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    app = importlib.import_module(path.stem).app
    assert app.test_client().get("/openapi.json").status_code == 200


def test_providers_give_what_the_checkers_take_them_to_give(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE / "accepted"))
    answer = importlib.import_module("right_providers").app.test_client().get("/defaults")
    assert answer.status_code == 200, answer.text
