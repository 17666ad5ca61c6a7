"""The reference: public names of hipflask's modules, from their signatures and docstrings.

A module is public if a page's code imports from it. A package's names are those it hands on
(`from .x import y as y`, or loaded later); of a plain module, those that pages import, or all of
its own where a page imports the module itself.
"""

from __future__ import annotations

import ast
import html
import inspect
import re
import textwrap
import typing as t
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

from .reading import Source
from .rendering import code_block, render

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^(?:>>>|\.\.\.) ?", re.MULTILINE)
_MEMORY = re.compile(r" at 0x[0-9a-f]+")
PACKAGE = "hipflask"


@dataclass
class Entry:
    """A name: how it is written, what it does, and for a class its members."""

    name: str
    kind: str
    signature: str
    doc: str
    members: list[Entry] = field(default_factory=list)


@dataclass
class Module:
    """A public module and its names."""

    name: str
    doc: str
    entries: list[Entry]


def read_modules(sources: Iterable[Source]) -> list[Module]:
    """Return the public modules with what each offers; a name is told once, at the shortest."""
    named = _named_by(sources)
    told: dict[int, str] = {}
    modules = []
    for name in sorted(named, key=lambda each: (each.count("."), each)):
        module = import_module(name)
        entries = []
        for public in sorted(_public(module, named[name]), key=str.lower):
            found = getattr(module, public)
            if inspect.ismodule(found) or told.setdefault(id(found), name) != name:
                continue
            entries.append(_entry(public, found))
        if entries:
            # Its first paragraph: what follows is for those who work on the module.
            doc = (inspect.getdoc(module) or "").partition("\n\n")[0]
            modules.append(Module(name, doc, entries))
    return modules


def count(modules: Iterable[Module]) -> int:
    """Return how many names there are, members of classes included."""
    return sum(1 + len(entry.members) for module in modules for entry in module.entries)


def _named_by(sources: Iterable[Source]) -> dict[str, set[str]]:
    """What the pages' code imports: by module, the names."""
    named: dict[str, set[str]] = {PACKAGE: set()}
    for source in sources:
        for block in _BLOCK.findall(source.text) if source.is_markdown else ():
            try:
                tree = ast.parse(_PROMPT.sub("", block) if block.startswith(">>>") else block)
            except SyntaxError:  # a session with output between its lines
                lines = [line for line in block.splitlines() if line.startswith((">>>", "..."))]
                tree = _parsed(_PROMPT.sub("", "\n".join(lines)))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module):
                    for each in node.names:
                        below = f"{node.module}.{each.name}"
                        if inspect.ismodule(getattr(import_module(str(node.module)), each.name, 0)):
                            named.setdefault(below, set())
                        else:
                            named.setdefault(str(node.module), set()).add(each.name)
    return named


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])


def _is_ours(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] == PACKAGE


def _public(module: ModuleType, imported: set[str]) -> set[str]:
    if hasattr(module, "__path__"):
        handed_on = set(re.findall(r" as ([A-Za-z]\w*)$", inspect.getsource(module), re.MULTILINE))
        later = getattr(module, "_LATER", {})
        return {name for name in {*handed_on, *later, *imported} if hasattr(module, name)}
    if imported:
        return imported
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def _entry(name: str, found: t.Any) -> Entry:
    # By the type and not by asking the object: `request` outside of a request answers nothing.
    if issubclass(type(found), type):
        return Entry(name, "class", name + _signature(found), _doc(found), list(_members(found)))
    if inspect.isroutine(found):
        kind = "async function" if inspect.iscoroutinefunction(found) else "function"
        return Entry(name, kind, name + _signature(found), _doc(found))
    own = _doc(type(found)) if type(found).__module__.startswith(PACKAGE) else ""
    return Entry(name, "object", name, own)


def _members(cls: type) -> Iterator[Entry]:
    """Methods and properties that our own classes define; the nearest definition counts."""
    seen: set[str] = set()
    for owner in cls.__mro__:
        if not owner.__module__.startswith(PACKAGE):
            continue
        for name, value in vars(owner).items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            plain = inspect.unwrap(getattr(value, "__func__", value))
            if inspect.isfunction(plain):
                kind = {staticmethod: "static method", classmethod: "class method"}
                shown = name + _signature(plain, bound=not isinstance(value, staticmethod))
                yield Entry(name, kind.get(type(value), "method"), shown, _doc(getattr(cls, name)))
            elif hasattr(type(value), "__get__") and _doc(value):
                yield Entry(name, "property", name, _doc(value))


class _Written:
    """An annotation as its author wrote it, without the quotes of a string."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _signature(found: t.Any, bound: bool = False) -> str:
    try:
        given = inspect.signature(found)
    except (TypeError, ValueError):
        return ""
    parameters = [
        each.replace(annotation=_written(each.annotation)) for each in given.parameters.values()
    ]
    if bound and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    returned = _written(given.return_annotation)
    if inspect.isclass(found):
        returned = inspect.Signature.empty
    return _MEMORY.sub("", str(given.replace(parameters=parameters, return_annotation=returned)))


def _written(annotation: t.Any) -> t.Any:
    return _Written(annotation) if isinstance(annotation, str) else annotation


def _doc(found: t.Any) -> str:
    text = inspect.getdoc(found) or ""
    # What classes without a docstring say by themselves.
    return "" if text.startswith(("dict(", "str(", "int(")) else text


def render_module(module: Module) -> tuple[str, list[tuple[str, str, str]]]:
    """Return a module's page and its entries to be found by: anchor, title, words."""
    found: list[tuple[str, str, str]] = []
    parts = [f'<h1 id="{html.escape(module.name)}"><code>{module.name}</code></h1>']
    parts.append(_rendered(module.doc))
    for entry in module.entries:
        parts.append(_shown(entry, entry.name, 2))
        found.append((entry.name, f"{module.name}.{entry.name}", entry.doc))
        for member in entry.members:
            anchor = f"{entry.name}.{member.name}"
            parts.append(_shown(member, anchor, 3))
            found.append((anchor, f"{module.name}.{anchor}", member.doc))
    return "\n".join(parts), found


def _shown(entry: Entry, anchor: str, level: int) -> str:
    heading = (
        f'<h{level} id="{html.escape(anchor)}"><code>{html.escape(anchor)}</code>'
        f' <span class="kind">{entry.kind}</span></h{level}>'
    )
    shown = entry.signature
    if len(shown) > 88:
        shown = _folded(shown)
    code = code_block(shown + "\n", "python") if shown != entry.name else ""
    return f"{heading}\n{code}{_rendered(entry.doc)}"


def _folded(signature: str) -> str:
    """A signature with a line for each parameter, as a formatter would have it."""
    name, _, rest = signature.partition("(")
    lines, depth, line = [], 0, ""
    body, _, end = rest.rpartition(")")
    for letter in body:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            lines.append(line.strip())
            line = ""
        else:
            line += letter
    lines.append(line.strip())
    return f"{name}(\n" + "".join(f"    {each},\n" for each in lines) + f"){end}"


def _rendered(doc: str) -> str:
    """A docstring: Markdown, but for headings, which it has none of."""
    return render(textwrap.dedent(doc)).html if doc else ""
