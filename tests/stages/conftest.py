"""Projects made by `hipflask new`, and the commands run in them, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import hipflask
from hipflask.stages.beginnings import Beginning, write

PATIENCE_S = 120.0
SOURCE = str(Path(hipflask.__file__).parents[1])


class Project:
    """A project in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, code: int = 0) -> str:
        """What a command printed; it ends with that code."""
        environ = {**os.environ, "PYTHONPATH": SOURCE}
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=environ, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def hipflask(self, *words: str, code: int = 0) -> str:
        return self.run("-m", "hipflask", *words, code=code)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def put(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in paths
            if "__pycache__" not in path.parts
        }


@pytest.fixture
def make_project(tmp_path):
    def make(kind: str, name: str = "trial-run", owner: str = "ada") -> Project:
        folder = tmp_path / name
        write(Beginning(kind=kind, name=name, made=datetime.now(UTC).date()), folder, owner)
        return Project(folder)

    return make
