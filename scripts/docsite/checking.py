"""Reads the built site as a browser would: every link leads to a file, every # to a place.

The pages are also held to what makes them work anywhere: no script or style within them, nothing
loaded from another host, one h1, no id twice, a text for each picture.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"img": "src", "script": "src", "link": "href"}


@dataclass
class Found:
    """What the check has counted, and what is wrong."""

    pages: int = 0
    internal: int = 0
    anchors: int = 0
    external: int = 0
    faults: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Ids, links and what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.faults: list[str] = []
        self.headings = 0
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a" and "href" in given:
            self.links.append(given["href"] or "")
        if tag in _LOADED and given.get(_LOADED[tag]):
            self.loaded.append(str(given[_LOADED[tag]]))
        if tag == "img" and not given.get("alt"):
            self.faults.append(f"the picture {given.get('src')} has no text")
        if tag == "style" or "style" in given or any(name.startswith("on") for name in given):
            self.faults.append(f"<{tag}> has style or script within the page")
        self._script = tag == "script"
        self.headings += tag == "h1"

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.faults.append("a script within the page")

    def handle_endtag(self, tag: str) -> None:
        self._script = False


def check(folder: Path) -> Found:
    """Return what the site in `folder` has, with its faults."""
    found = Found()
    read: dict[str, _Reader] = {}
    for file in sorted(folder.rglob("*.html")):
        reader = read[file.relative_to(folder).as_posix()] = _Reader()
        reader.feed(file.read_text(encoding="utf-8"))
        reader.close()
    found.pages = len(read)
    for page, reader in read.items():
        twice = {each for each in reader.ids if reader.ids.count(each) > 1}
        wrong = [*reader.faults, *(f"the id {each!r} is there twice" for each in sorted(twice))]
        if reader.headings != 1:
            wrong.append(f"{reader.headings} headings of the first level")
        wrong += [
            f"{each} is loaded from elsewhere" for each in reader.loaded if _is_elsewhere(each)
        ]
        for link in reader.links + [each for each in reader.loaded if not _is_elsewhere(each)]:
            wrong += _follow(folder, page, link, read, found)
        found.faults += [f"{page}: {each}" for each in wrong]
    return found


def _is_elsewhere(link: str) -> bool:
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def _follow(
    folder: Path, page: str, link: str, read: dict[str, _Reader], found: Found
) -> list[str]:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        found.external += 1
        # Plain http is for the programs that the reader runs.
        here = parts.hostname in ("127.0.0.1", "localhost")
        if parts.scheme == "https" or parts.scheme == "mailto" or here:
            return []
        return [f"the link {link} is not https"]
    found.internal += 1
    path = unquote(parts.path)
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if target.startswith(".."):
        return [f"the link {link} leads out of the site"]
    if not (folder / target).is_file():
        return [f"the link {link} leads to {target}, which is not there"]
    if parts.fragment:
        found.anchors += 1
        if target in read and unquote(parts.fragment) not in read[target].ids:
            return [f"the link {link} leads to a place that {target} has not"]
    return []
