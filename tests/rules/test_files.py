"""What no file under src/ may be, hold or import."""

from __future__ import annotations

import ast

from .source import ROOT, imports_of, source_files

MOST_LINES = 700
POSIX_ONLY_MODULES = {"fcntl", "pty", "grp", "pwd", "termios", "resource"}
POSIX_ONLY_CALLS = {"fork", "forkpty"}
# Granian brings its own workers; what is POSIX only there is guarded by the platform.
GUARD = "sys.platform"


def test_no_file_over_700_lines() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in source_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}


def test_no_file_imports_flask() -> None:
    found = [
        f"{path.name}:{found.line}"
        for path in source_files()
        for found in imports_of(path)
        if found.target.partition(".")[0] in ("flask", "quart")
    ]
    assert found == []


def test_no_file_needs_fork_or_fcntl() -> None:
    """A POSIX-only module may be imported only in a function of a file that asks the platform."""
    wrong = []
    for path in source_files():
        text = path.read_text(encoding="utf-8")
        for found in imports_of(path):
            if found.target.partition(".")[0] not in POSIX_ONLY_MODULES:
                continue
            if found.kind != "lazy" or GUARD not in text:
                wrong.append(f"{path.name}:{found.line} imports {found.target}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr in POSIX_ONLY_CALLS:
                wrong.append(f"{path.name}:{node.lineno} calls {node.attr}")
    assert wrong == []
