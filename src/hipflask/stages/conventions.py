"""CONVENTIONS.md: how this project is written, told from the checks that hold it to that.

What stands between the two marks is made from the enabled checks and the policy in pyproject.toml;
what a team writes around them is its own. `drift` says whether the made part is still that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..checks.catalogue import catalogue
from ..checks.declaring import Check
from ..checks.project import look_around

FILE = "CONVENTIONS.md"
BEGIN = "<!-- made by hipflask conventions: change pyproject.toml, not this part -->"
END = "<!-- end of what hipflask conventions made -->"
#: What is said first of each subject, and the checks that hold to it.
_SUBJECTS = (
    ("Routes", "Read HTTP, call a service, answer. Each says who may call it.",
     ("A", "R", "T01", "L01")),
    ("Services", "Do the work; know no HTTP and no SQL. Can be called from anywhere.",
     ("L01", "T02", "T03", "O03")),
    ("Store", "Holds the statements; changes its tables by steps that are added.", ("D", "O01")),
    ("Configuration", "One class of typed settings, in settings.py, reads the environment.",
     ("C",)),
    ("Errors", "errors.py says what is refused and how that is answered.", ("R02", "O02")),
    ("Extensions", "What is loaded was decided on, is pinned, and somebody answers for it.",
     ("L02", "O04")),
    ("Stages", "What this is, and until when that is decided, stands in pyproject.toml.", ("S",)),
)  # fmt: skip


def made(start: Path) -> str:
    """The made part for the project around `start`. Raises what `look_around` does."""
    project = look_around(start)
    stage = project.stage or "prototype"
    policy = project.policy
    lines = [
        BEGIN,
        "",
        f"The checks are those of a {stage}; `hipflask check --explain ID` tells more.",
    ]
    for title, rule, prefixes in _SUBJECTS:
        lines += ["", f"## {title}", "", rule]
        if title == "Routes":
            lines += ["", f"Layers, each knowing only those behind it: {', '.join(policy.layers)}."]
            if policy.path_style:
                lines += ["", f"Paths look like `{policy.path_style}`."]
            if policy.openapi:
                lines += ["", f"The contract is `{policy.openapi}`; `hipflask openapi` writes it."]
        if title == "Extensions":
            allowed = [f"{name} ({owner})" for name, owner in sorted(policy.extensions.items())]
            lines += ["", f"Allowed: {', '.join(allowed) or 'none'}."]
        lines += ["", *_rules(prefixes, stage)]
    return "\n".join([*lines, "", END]) + "\n"


def _rules(prefixes: tuple[str, ...], stage: str) -> Iterator[str]:
    words = {"E": "must", "W": "should", "I": "may be asked to"}
    for check in catalogue().values():
        level = check.level_at(stage)
        if check.id.startswith(prefixes) and level in words:
            yield f"- {check.id} {check.name}, {words[level]}: {_sentence(check)}"


def _sentence(check: Check) -> str:
    return f"{' '.join(check.inspects.split())}. Otherwise: {' '.join(check.fix.split())}."


def drift(root: Path) -> str:
    """How CONVENTIONS.md differs from what it was made of; "" where it does not, or is not there.

    For the table of checks: a finding's fact.
    """
    path = root / FILE
    if not path.exists():
        return ""
    text = path.read_text(encoding="utf-8")
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        return f"{FILE} has lost the marks around what was made; write it with hipflask conventions"
    now = text[begin : end + len(END)].splitlines()
    wanted = made(root).splitlines()
    for number, (one, other) in enumerate(zip(now, wanted, strict=False), 1):
        if one != other:
            line = text[:begin].count("\n") + number
            return f"line {line} is {one[:60]!r}, and the checks say {other[:60]!r}"
    return "" if len(now) == len(wanted) else "it lacks what the checks say at its end"


def write(root: Path) -> bool:
    """Write the made part into CONVENTIONS.md, keeping what is around it; whether it changed."""
    path = root / FILE
    part = made(root)
    if not path.exists():
        text, now = "", f"# Conventions\n\n{part}"
    else:
        text = path.read_text(encoding="utf-8")
        begin, end = text.find(BEGIN), text.find(END)
        if 0 <= begin < end:
            now = text[:begin] + part.rstrip("\n") + text[end + len(END) :]
        else:
            now = f"{text.rstrip()}\n\n{part}"
    if now == text:
        return False
    path.write_text(now, encoding="utf-8", newline="\n")
    return True
