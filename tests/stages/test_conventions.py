"""CONVENTIONS.md says what the checks say, and `check` refuses another one."""

from __future__ import annotations


def test_it_is_written_and_kept(make_project):
    project = make_project("api")
    assert "Wrote" in project.hipflask("conventions")
    text = project.read("CONVENTIONS.md")
    for title in ("Routes", "Services", "Store", "Configuration", "Errors", "Extensions"):
        assert f"\n## {title}\n" in text
    assert "is up to date" in project.hipflask("conventions", "--check")
    project.put("CONVENTIONS.md", f"Ours: be kind.\n\n{text}\nAnd brief.\n")
    assert "is up to date" in project.hipflask("conventions", "--check")
    assert "L03" not in project.hipflask("check", "--only", "L03")


def test_drift_is_refused_and_mended(make_project):
    project = make_project("api")
    project.hipflask("conventions")
    text = project.read("CONVENTIONS.md")
    project.put(
        "CONVENTIONS.md", "Ours.\n" + text.replace("A01 access-undeclared, must", "A01, may")
    )
    assert "Write it: hipflask conventions" in project.hipflask("conventions", "--check", code=1)
    assert "E L03 CONVENTIONS.md: line " in project.hipflask("check", "--only", "L03", code=1)
    project.hipflask("conventions")
    assert project.read("CONVENTIONS.md") == "Ours.\n" + text


def test_without_one_nothing_drifts(make_project):
    project = make_project("api")
    assert "there is no CONVENTIONS.md" in project.hipflask("conventions", "--check", code=1)
    assert "L03" not in project.hipflask("check", "--only", "L03")


def test_lost_marks_are_told(make_project):
    project = make_project("api")
    project.put("CONVENTIONS.md", "# Ours alone\n")
    assert "has lost the marks" in project.hipflask("check", "--only", "L03", code=1)
    project.hipflask("conventions")
    assert project.read("CONVENTIONS.md").startswith("# Ours alone\n\n<!-- made by")
