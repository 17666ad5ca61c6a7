"""Makes the parts of docs/lookup/from-flask.md that the code decides.

python tests/docs/from_flask.py       writes them into the page
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "lookup" / "from-flask.md"
SOURCE = ROOT / "src" / "hipflask"

_PLACE = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DIFFERENCE = re.compile(r"Differs from Flask:\s*(.+?)(?:\n\s*\n|\Z)", re.DOTALL)


def make_defaults() -> str:
    """Return the table of the defaults that differ."""
    from hipflask.config import ROWS

    lines = ["| setting | Flask | hipflask | reason |", "|---|---|---|---|"]
    lines += [f"| `{r.key}` | `{r.flask!r}` | `{r.secure!r}` | {r.reason} |" for r in ROWS]
    return "\n".join(lines) + "\n"


def make_differences() -> str:
    """Return a line for each `Differs from Flask:` in the docstrings."""
    return "".join(f"- `{name}`: {text}\n" for name, text in find_differences())


def find_differences() -> Iterator[tuple[str, str]]:
    """Yield what differs and how, sorted by module and place in it."""
    for path in sorted(SOURCE.rglob("*.py")):
        words = path.relative_to(SOURCE.parent).with_suffix("").parts
        module = ".".join(word for word in words if word != "__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, node in _documented(tree, module):
            text = ast.get_docstring(node) or ""
            for found in _DIFFERENCE.findall(text):
                yield name, " ".join(found.split())


def _documented(node: ast.AST, name: str) -> Iterator[tuple[str, ast.Module]]:
    yield name, node  # type: ignore[misc]  # a module, class or function
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _documented(child, f"{name}.{child.name}")


def make_page(text: str) -> str:
    """Return the page's text with the made parts put in anew."""
    makers = {"defaults": make_defaults, "differences": make_differences}
    return _PLACE.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    sys.path.insert(0, str(SOURCE.parent))
    PAGE.write_text(make_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
