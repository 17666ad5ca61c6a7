"""What a wheel and an sdist hold: all of the package and nothing else, with right metadata."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path

from packaging.licenses import canonicalize_license_expression
from packaging.metadata import Metadata
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
ALIAS = "hipflask_as_flask.pth"
# Without these the package imports, and fails its users later.
NEEDED = ("hipflask/py.typed", "hipflask/api/pages/templates/endpoints.html", ALIAS)


def tracked() -> set[str]:
    """Return the paths that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {path for path in listed.stdout.split("\0") if path}


def check_wheel(wheel: Path, known: set[str]) -> list[str]:
    """Return what is wrong with a wheel; `known` are the paths that git knows."""
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if not name.endswith("/")}
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        metadata = opened.read(f"{info}/METADATA")
    wanted = {path.removeprefix("src/") for path in known if path.startswith("src/hipflask/")}
    wanted |= {ALIAS, *NEEDED}
    have = {name for name in names if not name.startswith(f"{info}/")}
    faults = [f"{wheel.name} lacks {name}" for name in sorted(wanted - have)]
    faults += [f"{wheel.name} holds {name}, which is not of it" for name in sorted(have - wanted)]
    if f"{info}/licenses/LICENSE" not in names:
        faults.append(f"{wheel.name} lacks its licence")
    return faults + check_metadata(metadata, wheel.name)


def check_sdist(sdist: Path, known: set[str]) -> list[str]:
    """Return what is wrong with an sdist: it is what git knows, and PKG-INFO."""
    with tarfile.open(sdist) as opened:
        names = {each.name.partition("/")[2] for each in opened.getmembers() if each.isfile()}
    faults = [f"{sdist.name} lacks {name}" for name in sorted(known - names)]
    extra = sorted(names - known - {"PKG-INFO"})
    return faults + [f"{sdist.name} holds {name}, which git does not know" for name in extra]


def check_metadata(text: bytes, name: str) -> list[str]:
    """Return what is wrong with METADATA: its form, and what users look for in it."""
    try:
        read = Metadata.from_email(text, validate=True)
        canonicalize_license_expression(read.license_expression or "")
    except Exception as error:  # a group of them; its text names the fields
        return [f"{name}: METADATA: {error}"]
    faults = [
        f"{name}: METADATA has no {each}"
        for each in ("summary", "requires_python", "license_files", "keywords", "description")
        if not getattr(read, each)
    ]
    if read.description_content_type != "text/markdown":
        faults.append(f"{name}: the description is not told to be Markdown")
    return faults


def check_version(version: str, changelog: str, fallback: str) -> list[str]:
    """Return what is wrong between the built version, CHANGELOG.md's first and the fallback."""
    heading = next(line for line in changelog.splitlines() if line.startswith("## "))
    first, _, note = heading.removeprefix("## ").partition(",")
    built, is_open = Version(version), "not released" in note
    faults = []
    if Version(Version(fallback).base_version) < Version(first):
        faults.append(f"fallback-version {fallback} is older than {first} of CHANGELOG.md")
    if built.is_devrelease:
        if not is_open or Version(built.base_version) > Version(first):
            faults.append(f"{version} is no release, and CHANGELOG.md begins with {heading!r}")
    elif is_open or built != Version(first):
        faults.append(f"{version} is a release, and CHANGELOG.md begins with {heading!r}")
    return faults
