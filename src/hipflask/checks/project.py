"""What is known without the application: the folder, its pyproject.toml, git, locks, records."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..stages.record import TABLE, RecordError, find_pyproject, read_record, read_tables
from .facts import Policy, Project, Recorded

#: Where the recorder of `pytest` leaves what it saw, from the project's root.
RECORD_FILE = ".hipflask-record.json"
MOST_FILES = 20_000
GIT_S = 10.0
_LEFT_OUT = {"__pycache__", "node_modules", "venv", "site-packages", "build", "dist"}
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")


class Unusable(ValueError):
    """What the project says of itself cannot be meant; names the file and the key."""


def look_around(start: Path) -> Project:
    """The project around a folder. Raises Unusable."""
    path = find_pyproject(start)
    root = path.parent if path is not None else start.resolve()
    tables: dict[str, Any] = {}
    stage = ""
    record: dict[str, Any] = {}
    try:
        if path is not None:
            tables = read_tables(path)
            found = read_record(path)
            if found is not None:
                record = msgspec.to_builtins(found, enc_hook=str)
                stage = found.stage
    except RecordError as error:
        raise Unusable(str(error)) from None
    git, files = _files(root)
    return Project(
        root=str(root),
        pyproject=str(path or ""),
        policy=_policy(tables.get("check", {}), path),
        git=git,
        files=files,
        pinned=sorted(_pinned(root, path)),
        stage=stage,
        record=record,
        serve=tables.get("serve", {}) if isinstance(tables.get("serve"), dict) else {},
    )


def _policy(table: Any, path: Path | None) -> Policy:
    try:
        policy = msgspec.convert(table, Policy)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at ")
        key = at.strip("`").removeprefix("$")
        raise Unusable(f"{path}, {TABLE}.check{key}: {text[0].lower()}{text[1:]}.") from None
    for number, one in enumerate(policy.silence):
        lacking = [name for name in one.__struct_fields__ if not getattr(one, name).strip()]
        if lacking:
            raise Unusable(
                f"{path}, {TABLE}.check.silence[{number}].{lacking[0]}: is empty. A silence says"
                " what, where, why, who answers for it and until when."
            )
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", one.until):
            raise Unusable(
                f"{path}, {TABLE}.check.silence[{number}].until: {one.until!r} is no day. Write"
                ' "2027-01-15".'
            )
    try:
        re.compile(policy.path_style)
    except re.error as error:
        raise Unusable(f"{path}, {TABLE}.check.path_style: {error}.") from None
    return policy


def _files(root: Path) -> tuple[str, list[str]]:
    """How git is there, and the files: those that it tracks, or without it those that are there."""
    shallow = run_git(root, "rev-parse", "--is-shallow-repository")
    if shallow is None:
        return "", sorted(_walked(root))
    listed = run_git(root, "ls-files", "-z") or ""
    files = [name for name in listed.split("\0") if name][:MOST_FILES]
    return ("shallow" if shallow.strip() == "true" else "git"), sorted(files)


def run_git(root: Path, *words: str) -> str | None:
    """What git says in that folder; None where there is no git, no repository, or no answer."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            timeout=GIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _walked(root: Path) -> Iterator[str]:
    number = 0
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in _LEFT_OUT
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in names:
            if number >= MOST_FILES:
                return
            number += 1
            yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def _pinned(root: Path, path: Path | None) -> Iterator[str]:
    """Names of distributions that a lock names, or that are required with `==`."""
    for name in _LOCKS:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        found = re.findall(r'(?m)^name = "([^"]+)"', text)
        found += re.findall(r'"([A-Za-z0-9._-]+)": \{\s*"hashes"', text)
        yield from map(plain_name, found)
    for file in sorted(root.glob("*requirements*.txt")) + sorted(root.glob("requirements/*.txt")):
        text = file.read_text(encoding="utf-8", errors="replace")
        yield from map(plain_name, re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", text))
    if path is not None:
        with path.open("rb") as opened:
            project = tomllib.load(opened).get("project", {})
        required = [*project.get("dependencies", [])]
        for more in project.get("optional-dependencies", {}).values():
            required += more
        for one in required:
            if found_name := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*==", str(one)):
                yield plain_name(found_name[1])


def is_of_tests(name: str) -> bool:
    """Whether a file, named from the root, belongs to the tests and is not served."""
    *folders, file = name.split("/")
    named_so = file.startswith(("test_", "conftest.")) or file.endswith("_test.py")
    return named_so or bool({"tests", "test"} & set(folders))


def is_ours(project: Project, name: str) -> bool:
    """Whether a file is one of hipflask itself, in a checkout of it."""
    return Path(project.root, name).is_relative_to(Path(__file__).resolve().parents[1])


def migrations_of(project: Project) -> list[str]:
    """Alembic's steps among the files; ours make no table of the application's."""
    return [
        name
        for name in project.files
        if name.endswith(".py")
        and name.split("/")[-2:-1] == ["versions"]
        and not name.endswith("/__init__.py")
        and not is_ours(project, name)
    ]


def plain_name(name: str) -> str:
    """A distribution's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_recorded(project: Project, file: str | None = None) -> Recorded | None:
    """What the tests' recorder wrote; None without it. Raises Unusable for what is no record."""
    path = Path(file) if file else Path(project.root, RECORD_FILE)
    if not path.is_file():
        if file:
            raise Unusable(f"{path}: there is no such file.")
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recorded)
    except (msgspec.DecodeError, OSError) as error:
        raise Unusable(f"{path} is no record of a test run: {error}.") from None
