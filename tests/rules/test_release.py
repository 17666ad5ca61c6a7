"""The checks of a release find what they are for: `make release-check` passes only a whole one."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.release.contents import ALIAS, NEEDED, check_sdist, check_version, check_wheel
from scripts.release.installed import check_parts, only_parts

METADATA = """\
Metadata-Version: 2.4
Name: hipflask
Version: 0.1.0
Summary: s
License-Expression: BSD-3-Clause
License-File: LICENSE
Requires-Python: >=3.11
Keywords: web
Description-Content-Type: text/markdown

# hipflask
"""
KNOWN = {"README.md", "src/hipflask/app.py", *(f"src/{name}" for name in NEEDED if name != ALIAS)}
WHOLE = {
    "hipflask/app.py": "",
    **dict.fromkeys(NEEDED, ""),
    "hipflask-0.1.0.dist-info/METADATA": METADATA,
    "hipflask-0.1.0.dist-info/licenses/LICENSE": "",
}


def wheel_of(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "hipflask-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def test_a_whole_wheel_has_no_fault(tmp_path):
    assert check_wheel(wheel_of(tmp_path, WHOLE), KNOWN) == []


@pytest.mark.parametrize("name", [*NEEDED, "hipflask/app.py"])
def test_a_wheel_that_lacks_a_file_has_a_fault(name, tmp_path):
    files = {key: text for key, text in WHOLE.items() if key != name}
    (fault,) = check_wheel(wheel_of(tmp_path, files), KNOWN)
    assert fault.endswith(f"lacks {name}")


@pytest.mark.parametrize("name", ["tests/test_app.py", ".cache/site/index.html", "hipflask/x.pyc"])
def test_a_wheel_that_holds_more_has_a_fault(name, tmp_path):
    (fault,) = check_wheel(wheel_of(tmp_path, {**WHOLE, name: ""}), KNOWN)
    assert f"holds {name}" in fault


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("License-Expression: BSD-3-Clause", "License-Expression: No-Such-Licence"),
        ("Summary: s\n", ""),
        ("Keywords: web\n", ""),
        ("text/markdown", "text/plain"),
        ("Requires-Python: >=3.11", "Requires-Python: three"),
    ],
)
def test_wrong_metadata_has_a_fault(old, new, tmp_path):
    files = {**WHOLE, "hipflask-0.1.0.dist-info/METADATA": METADATA.replace(old, new)}
    assert check_wheel(wheel_of(tmp_path, files), KNOWN)


def test_an_sdist_holds_what_git_knows(tmp_path):
    path = tmp_path / "hipflask-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name in ("PKG-INFO", "README.md", ".cache/x"):
            made.addfile(tarfile.TarInfo(f"hipflask-0.1.0/{name}"), io.BytesIO())
    faults = check_sdist(path, {"README.md", "LICENSE"})
    assert [fault.partition(" ")[2] for fault in faults] == [
        "lacks LICENSE",
        "holds .cache/x, which git does not know",
    ]


@pytest.mark.parametrize(
    ("version", "heading", "fallback", "faults"),
    [
        ("0.1.0", "0.1.0, 1 December 2026", "0.1.0.dev0", 0),
        ("0.1.0", "0.1.0, not released yet", "0.1.0.dev0", 1),
        ("0.1.0", "0.2.0, 1 December 2026", "0.2.0.dev0", 1),
        ("0.1.0.dev4+gabc", "0.1.0, not released yet", "0.1.0.dev0", 0),
        ("0.1.1.dev4+gabc", "0.2.0, not released yet", "0.2.0.dev0", 0),
        ("0.1.1.dev4+gabc", "0.1.0, 1 December 2026", "0.1.0.dev0", 1),
        ("0.1.1.dev4+gabc", "0.2.0, not released yet", "0.1.0.dev0", 1),
    ],
)
def test_version_changelog_and_fallback_agree(version, heading, fallback, faults):
    found = check_version(version, f"# Changes\n\n## {heading}\n", fallback)
    assert len(found) == faults, found


def test_the_list_of_parts_has_each_with_its_licence_and_no_other():
    bsd = [{"license": {"id": "BSD-3-Clause"}}]
    document = {
        "metadata": {"component": {"name": "hipflask", "licenses": bsd}},
        "components": [
            {"bom-ref": "a", "name": "Werkzeug", "version": "3.1", "licenses": bsd},
            {"bom-ref": "b", "name": "pip", "version": "26", "licenses": bsd},
        ],
        "dependencies": [{"ref": "a"}, {"ref": "b"}],
    }
    parts = {"hipflask": "0.1.0", "werkzeug": "3.1"}
    assert len(check_parts(document, parts)) == 2
    document = only_parts(document, "0.1.0", parts)
    assert check_parts(document, parts) == []
    assert document["dependencies"] == [{"ref": "a"}]
    assert check_parts(document, {**parts, "click": "8"}) == ["the list of parts lacks click 8"]
