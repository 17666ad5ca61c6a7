"""Writes the site: pages in one frame with navigation, what they load, and a list to search."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from . import reference
from .reading import (
    REFERENCE,
    ROOT,
    PageError,
    Shelf,
    Source,
    read_shelves,
    read_sources,
    relative,
)
from .rendering import Rendered, Section, code_block, render

HERE = Path(__file__).parent
INDEX = "all-headings.html"
FAULT = "\n[planted by FAULT=1](no-such-page.md)\n"
# Words of a section that can be searched; enough to tell pages apart, and the list stays small.
MOST_WORDS = 300
# A path in the text such as `tests/docs`; one with a star or a <name> stands for several.
_PATH = re.compile(r"(?:benchmarks|docs|examples|scripts|src|tests)/[\w./-]*[\w/]")


@dataclass
class Built:
    """What was made, in numbers."""

    names: int = 0
    paths: int = 0
    searched: list[tuple[str, str, str, str]] = field(default_factory=list)


def build(folder: Path, fault: bool = False) -> Built:
    """Make the site in `folder`, which is emptied first; PageError if a page cannot be shown."""
    shutil.rmtree(folder, ignore_errors=True)
    sources, copied = read_sources()
    known = frozenset({*copied, *(source.path for source in sources)})
    shelves = read_shelves()
    site = _Site(folder, shelves)
    for source in sources:
        _write(site, source, known, fault and source.path == "README.md")
    _write_reference(site, sources)
    _write_index(site)
    for path in copied:
        _copy(ROOT / path, folder / path)
    for path in sorted((HERE / "static").iterdir()):
        _copy(path, folder / "static" / path.name)
    entries = json.dumps(site.built.searched, ensure_ascii=False, separators=(",", ":"))
    # A script and not JSON, as a page opened from a disk may not fetch.
    listed = f"hipflaskPages({entries})\n"
    (folder / "static" / "pages.js").write_text(listed, encoding="utf-8")
    return site.built


class _Site:
    """The frame that all pages stand in."""

    def __init__(self, folder: Path, shelves: list[Shelf]) -> None:
        self.folder = folder
        self.shelves = shelves
        self.built = Built()
        self.version = metadata.version("hipflask")
        for shelf in shelves:
            if any(address.startswith("docs/lookup/") for _, address in shelf.entries):
                shelf.entries.append(("All names of the API", f"{REFERENCE}/index.html"))
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._page = environment.get_template("page.html")

    def write(self, address: str, title: str, body: str, toc: Sequence[Section] = ()) -> None:
        """Write one page."""
        order = [entry for shelf in self.shelves for entry in shelf.entries]
        places = [place for _, place in order]
        at = places.index(address) if address in places else -1
        text = self._page.render(
            title=title,
            body=Markup(body),
            toc=toc if len(toc) > 2 else [],
            shelves=self.shelves,
            address=address,
            here=next((shelf.name for shelf in self.shelves if address in shelf.places), ""),
            before=order[at - 1] if at > 0 else None,
            after=order[at + 1] if 0 <= at < len(order) - 1 else None,
            link=lambda target: relative(target, address),
            index=INDEX,
            version=self.version,
        )
        path = self.folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def find(self, address: str, anchor: str, page: str, title: str, words: str) -> None:
        """Let a place be found by its words."""
        target = f"{address}#{anchor}" if anchor else address
        self.built.searched.append((target, page, title, words[:MOST_WORDS]))


def _write(site: _Site, source: Source, known: frozenset[str], fault: bool) -> None:
    address = source.address
    if not source.is_markdown:
        language = "python" if source.path.endswith(".py") else "text"
        title = f"<h1>{escape(source.path)}</h1>"
        site.write(address, source.path, f"{title}\n{code_block(source.text, language)}")
        return
    text = source.text + FAULT if fault else source.text
    rendered = render(text, source.path, known)
    site.built.paths += _check_paths(source, rendered)
    toc = [section for section in rendered.sections[1:] if section.level == 2]
    site.write(address, source.title, rendered.html, toc)
    for section in rendered.sections:
        anchor = "" if section is rendered.sections[0] else section.anchor
        words = re.sub(r"\s+", " ", " ".join(section.words))
        site.find(address, anchor, source.title, section.title, words)


def _check_paths(source: Source, rendered: Rendered) -> int:
    """How many paths of the repository the text names; PageError for one that is not there."""
    named = [each for each in rendered.code_spans if _PATH.fullmatch(each)]
    for each in named:
        if not (ROOT / each).exists():
            raise PageError(f"{source.path} names `{each}`, which is not there")
    return len(named)


def _write_reference(site: _Site, sources: list[Source]) -> None:
    modules = reference.read_modules(sources)
    site.built.names = reference.count(modules)
    rows = []
    for module in modules:
        address = f"{REFERENCE}/{module.name}.html"
        body, found = reference.render_module(module)
        toc = [Section(entry.name, entry.name, 2) for entry in module.entries]
        site.write(address, module.name, body, toc)
        first = module.doc.partition("\n")[0]
        site.find(address, "", module.name, module.name, first)
        for anchor, title, words in found:
            site.find(address, anchor, module.name, title, re.sub(r"\s+", " ", words))
        names = ", ".join(
            f'<a href="{module.name}.html#{entry.name}">{entry.name}</a>'
            for entry in module.entries
        )
        rows.append(
            f'<h2 id="{module.name}"><a href="{module.name}.html"><code>{module.name}</code></a>'
            f"</h2><p>{escape(first)}</p><p>{names}</p>"
        )
    intro = (
        "<h1>All names of the API</h1><p>Made from the signatures and docstrings of this version."
        " Names that Flask has, too, mean what"
        ' <a href="https://flask.palletsprojects.com/en/stable/api/" rel="noreferrer">Flask\'s'
        ' reference</a> says, but for <a href="../from-flask.html">what differs</a>.</p>'
    )
    site.write(f"{REFERENCE}/index.html", "All names of the API", intro + "\n".join(rows))


def _write_index(site: _Site) -> None:
    """All headings of all pages on one: what finds things where there is no JavaScript."""
    site.write(INDEX, "All headings", "".join(_index(site)))


def _index(site: _Site) -> Iterator[str]:
    yield "<h1>All headings</h1><p>Your browser's search finds what is on this page.</p>"
    page = ""
    for target, of_page, title, _ in site.built.searched:
        address = target.partition("#")[0]
        if address.startswith(REFERENCE):
            continue
        if address != page:
            yield "</ul>" if page else ""
            page = address
            yield f'<h2><a href="{address}">{escape(of_page)}</a></h2><ul class="plain">'
        else:
            yield f'<li><a href="{escape(target)}">{escape(title)}</a></li>'
    yield f'</ul><p><a href="{REFERENCE}/index.html">All names of the API</a></p>'


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
