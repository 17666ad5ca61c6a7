"""Makes the table of docs/lookup/licences.md from the metadata of what is installed.

python tests/docs/licences.py       writes it into the page
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "lookup" / "licences.md"

#: Extras of those who work on hipflask; nobody else installs them.
DEVELOPMENT = {
    *(
        "all",
        "test",
        "contract",
        "ecosystem",
        "browser",
        "fuzz",
        "senders",
        "lint",
        "site",
        "release",
        "dev",
    ),
}
# Where hipflask is used: what is needed in any of these is told.
SYSTEMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
)
PYTHONS = ("3.11", "3.12", "3.13")
_PLACE = re.compile(r"(<!-- made from the code: licences -->\n).*?(<!-- end -->)", re.DOTALL)
_ROW = re.compile(r"^\| ([\w.-]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_CLASSIFIER = "License :: OSI Approved :: "


def find_packages() -> dict[str, set[str]]:
    """Return what is needed, with theirs: by package, the extras that bring it; "" is always."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    found: dict[str, set[str]] = defaultdict(set)

    def walk(text: str, wanted: set[str], place: dict[str, str], by: str, seen: set[str]) -> None:
        each = Requirement(text)
        asked = [{**place, "extra": extra} for extra in wanted or {""}]
        if each.marker and not any(each.marker.evaluate(one) for one in asked):
            return
        name = canonicalize_name(each.name)
        key = f"{name}[{','.join(sorted(each.extras))}]"
        if key in seen:
            return
        seen.add(key)
        if name == "hipflask":
            for extra in each.extras:
                for one in extras[extra]:
                    walk(one, set(), place, by, seen)
            return
        found[name].add(by)
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            return  # of another system or Python
        for one in needed:
            walk(one, set(each.extras), place, by, seen)

    for system in SYSTEMS:
        for python in PYTHONS:
            place = {**system, "python_version": python, "python_full_version": f"{python}.0"}
            groups = {"": project["dependencies"]}
            groups |= {name: group for name, group in extras.items() if name not in DEVELOPMENT}
            for by, group in groups.items():
                seen: set[str] = set()
                for one in group:
                    walk(one, set(), place, by, seen)
    return dict(found)


def find_licence(name: str) -> str | None:
    """Return the licence that a package's metadata states, None if it is not installed."""
    try:
        about = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    stated = about.metadata.get("License-Expression") or about.metadata.get("License") or ""
    if stated and len(stated) < 40:
        return stated
    classifiers = about.metadata.get_all("Classifier") or []
    stated = next(each for each in classifiers if each.startswith(_CLASSIFIER))
    stated = stated.removeprefix(_CLASSIFIER).removesuffix(" License")
    if stated == "BSD":  # of two or three clauses, as its text says
        texts = [file.read_text() for file in about.files or () if "LICENSE" in file.name.upper()]
        stated = f"BSD-{3 if any('either the name' in text for text in texts) else 2}-Clause"
    return stated


def read_rows(text: str) -> dict[str, tuple[str, str]]:
    """Return what a page tells: by package, licence and what brings it."""
    return {name: (licence, by) for name, licence, by in _ROW.findall(text) if name != "package"}


def make_page(text: str) -> str:
    """Return the page's text with its table made anew."""
    told = read_rows(text)
    lines = ["| package | licence | comes with |", "|---|---|---|"]
    for name, extras in sorted(find_packages().items()):
        licence = find_licence(name) or told.get(name, ("not known here", ""))[0]
        by = "always" if "" in extras else ", ".join(f"`{each}`" for each in sorted(extras))
        lines.append(f"| {name} | {licence} | {by} |")
    return _PLACE.sub(lambda found: found[1] + "\n" + "\n".join(lines) + "\n\n" + found[2], text)


if __name__ == "__main__":
    PAGE.write_text(make_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
