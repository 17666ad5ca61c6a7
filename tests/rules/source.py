"""Reads the package's source for the rule tests: files, modules, imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "hipflask"


@dataclass(frozen=True)
class Import:
    """One import statement's target inside or outside the package."""

    source: str
    target: str
    line: int
    kind: str  # "top", "type" (under TYPE_CHECKING) or "lazy" (inside a function)


def source_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """Returns a file's module name below hipflask: `app`, `json.tag`, `` for the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_names() -> set[str]:
    return {module_name(path) for path in source_files()}


def imports_of(path: Path) -> Iterator[Import]:
    """Yields every import, its target absolute: `hipflask.app`, `os`, `werkzeug.utils`."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    base = ["hipflask", *(package.split(".") if package else [])]
    known = module_names()
    for node, kind in _walk(ast.parse(path.read_text(encoding="utf-8")), "top"):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno, kind)
            continue
        start = base[: len(base) - (node.level - 1)] if node.level else []
        home = ".".join([*start, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{home}.{alias.name}"
            inside = full.removeprefix("hipflask.") in known and full.startswith("hipflask.")
            yield Import(name, full if inside else home, node.lineno, kind)


def _walk(node: ast.AST, kind: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node, kind
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _walk(child, "type")
        for child in node.orelse:
            yield from _walk(child, kind)
    else:
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, "lazy" if inside else kind)
