"""Which pages the site has, where each stands, and how one of them is named by another.

A page's address is its path in the repository, with `.html` in place of `.md` and `index` in
place of `README`: so the links of the Markdown files hold on the site as they do in a checkout.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = "README.md"
SHELVES_PAGE = "docs/README.md"
# Where the pages of the reference stand; they have no Markdown.
REFERENCE = "docs/lookup/api"

_SHELF = re.compile(r"^\*\*([^*]+?)\.?\*\*\s+(.*)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


class PageError(Exception):
    """The site cannot be made; the message names the page."""


@dataclass(frozen=True)
class Source:
    """A file of the repository that becomes a page: Markdown, or a text shown as it is."""

    path: str
    text: str

    @property
    def is_markdown(self) -> bool:
        return self.path.endswith(".md")

    @property
    def address(self) -> str:
        return address_of(self.path)

    @property
    def title(self) -> str:
        found = _TITLE.search(self.text) if self.is_markdown else None
        return found[1].replace("`", "") if found else self.path


@dataclass
class Shelf:
    """One of learn, do, look up and why: names and addresses, in their order."""

    name: str
    entries: list[tuple[str, str]] = field(default_factory=list)

    @property
    def places(self) -> list[str]:
        return [address for _, address in self.entries]


def address_of(path: str) -> str:
    """Return where on the site a file of the repository stands."""
    folder, name = posixpath.split(path)
    if name == "README.md":
        name = "index.html"
    elif name.endswith(".md"):
        name = name.removesuffix(".md") + ".html"
    elif is_shown(name):
        name += ".html"
    return posixpath.join(folder, name)


def is_shown(name: str) -> bool:
    """Whether a linked file is shown on a page; others are copied, as readers fetch them."""
    return name.endswith((".py", ".txt", ".md")) or "." not in name


def relative(target: str, page: str) -> str:
    """Return the link from one address to another."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def resolve(target: str, page: str) -> str:
    """Return the path in the repository that a link of the file `page` means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def read_sources() -> tuple[list[Source], list[str]]:
    """Return all pages, and the files that are copied: what README and docs/ reach by links."""
    first = [HOME, *sorted(_posix(path) for path in (ROOT / "docs").rglob("*.md"))]
    ahead, pages, copied = list(first), {}, set()
    while ahead:
        path = ahead.pop(0)
        if path in pages:
            continue
        pages[path] = Source(path, (ROOT / path).read_text(encoding="utf-8"))
        if not pages[path].is_markdown:
            continue
        for _, target in _LINK.findall(pages[path].text):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            named = resolve(target.partition("#")[0], path)
            if not (ROOT / named).is_file():
                continue  # told by the check, with the page that links to it
            if is_shown(posixpath.basename(named)):
                ahead.append(named)
            else:
                copied.add(named)
    return list(pages.values()), sorted(copied)


def read_shelves() -> list[Shelf]:
    """Return the shelves as docs/README.md has them: a bold word, then links."""
    shelves = []
    for name, rest in _SHELF.findall((ROOT / SHELVES_PAGE).read_text(encoding="utf-8")):
        entries = [
            (label.partition(":")[0], address_of(resolve(target, SHELVES_PAGE)))
            for label, target in _LINK.findall(rest)
            if "://" not in target
        ]
        shelves.append(Shelf(name, entries))
    if not shelves:
        raise PageError(f"{SHELVES_PAGE} has no shelf: a line that begins with **Learn.**")
    return shelves


def _posix(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
