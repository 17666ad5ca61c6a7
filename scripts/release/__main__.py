"""Builds a release and uses it: `python -m scripts.release`, which `make release-check` runs.

Wheel, sdist and their list of parts (CycloneDX) are left in dist/. Environments are made in
.cache/release, anew each time. Ends with 1 if anything is wrong; FAULT=1 takes out of the wheel
what only users would miss, so that it must.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from .contents import NEEDED, ROOT, check_sdist, check_version, check_wheel, tracked
from .installed import (
    ReleaseError,
    check_parts,
    check_use,
    clean_environ,
    list_parts,
    only_parts,
    run,
)

CACHE = ROOT / ".cache" / "release"
DIST = ROOT / "dist"
TOOLS = Path(sys.executable).parent


def main() -> int:
    try:
        faults = release(fault=bool(os.environ.get("FAULT")))
    except ReleaseError as error:
        faults = [str(error)]
    for fault in faults:
        print(f"release: {fault}", file=sys.stderr)
    print(f"release: {'NOT ' if faults else ''}fit to be published; faults: {len(faults)}")
    return 1 if faults else 0


def release(fault: bool) -> list[str]:
    """Do all of it; return what is wrong with the files. ReleaseError ends it."""
    for folder in (CACHE, DIST):
        shutil.rmtree(folder, ignore_errors=True)
    CACHE.mkdir(parents=True)
    # The wheel is made from the sdist, so that this one is complete.
    run([sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)], ROOT)
    sdist, wheel = next(DIST.glob("*.tar.gz")), next(DIST.glob("*.whl"))
    version = str(parse_wheel_filename(wheel.name)[1])
    print(f"release: built {wheel.name} and {sdist.name}")
    if fault:
        plant(wheel)
    known = tracked()
    faults = check_wheel(wheel, known) + check_sdist(sdist, known)
    if str(parse_sdist_filename(sdist.name)[1]) != version:
        faults.append(f"{sdist.name} is of another version than {wheel.name}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    faults += check_version(
        version,
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        project["tool"]["hatch"]["version"]["fallback-version"],
    )
    if faults:
        return faults
    fresh = make_environment("fresh", wheel)
    with tempfile.TemporaryDirectory() as folder:
        for line in check_use(fresh, version, Path(folder)):
            print(f"release:   {line}")
        from_sdist = make_environment("from-sdist", sdist, "--no-deps")
        shown = run([str(from_sdist / "python"), "-m", "pip", "show", "hipflask"], Path(folder))
        if f"Version: {version}\n" not in shown:
            faults.append(f"the sdist installs\n{shown}")
        faults += check_clone(Path(folder))
        parts = list_parts(fresh / "python", Path(folder))
    return faults + write_parts(fresh, version, parts)


def plant(wheel: Path) -> None:
    """Take out of the wheel what the package imports without."""
    whole = wheel.with_suffix(".whole")
    wheel.rename(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            if name not in NEEDED:
                new.writestr(name, old.read(name))
    whole.unlink()


def make_environment(name: str, package: Path, *options: str) -> Path:
    """Make an environment with nothing but `package` and what it asks for; return its programs."""
    folder = CACHE / name
    run(["sh", str(ROOT / "scripts" / "make_venv.sh"), str(folder), sys.executable], ROOT)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet"]
    run([*pip, "--disable-pip-version-check", *options, str(package)], CACHE)
    print(f"release: {package.name} installed into {folder.relative_to(ROOT)}")
    return scripts


def check_clone(folder: Path) -> list[str]:
    """A clone without tags or history builds, too: what CI and users' `pip install git+` have."""
    clone = folder / "clone"
    run(["git", "clone", "-q", "--no-tags", "--depth", "1", ROOT.as_uri(), str(clone)], folder)
    run([sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(clone)], folder)
    wheel = next(folder.glob("hipflask-*.whl"))
    print(f"release: a clone without tags builds {wheel.name}")
    return (
        [] if parse_wheel_filename(wheel.name)[1].is_devrelease else [f"no tag, but {wheel.name}"]
    )


def write_parts(fresh: Path, version: str, parts: dict[str, str]) -> list[str]:
    """Write what the wheel brings with it as a CycloneDX document; return what that lacks."""
    path = DIST / f"hipflask-{version}.cdx.json"
    words = [str(TOOLS / "cyclonedx-py"), "environment", "--output-reproducible"]
    words += ["--mc-type", "library"]
    words += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-format", "JSON"]
    done = subprocess.run(
        [*words, "--output-file", str(path), str(fresh / "python")],
        env=clean_environ(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ReleaseError(f"cyclonedx-py ended with {done.returncode}:\n{done.stderr}")
    document = only_parts(json.loads(path.read_text(encoding="utf-8")), version, parts)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"release: {path.name} lists {len(document['components'])} parts")
    return check_parts(document, parts)


if __name__ == "__main__":
    raise SystemExit(main())
