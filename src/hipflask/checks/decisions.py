"""Decision records, `decisions/NNNN-<outcome>.md`, as plain text that people write and review.

The lines `- Key: value` above the first heading of the second order are read, whoever wrote them;
all else is prose. Keys: From, To, Outcome, Commit, Evidence (a file, and its SHA-256 after a
space), Days spent, Gaps ("tests 4, monitoring 2") and Band ("5 to 40 days").
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

FOLDER = "decisions"
_line = re.compile(r"[-*]?\s*\**([A-Za-z][A-Za-z _-]{0,40}?)\**\s*:\s*\**\s*(.+?)\s*\Z").match
_digest = re.compile(r"(?:sha256[: ])?\s*\b([0-9a-f]{64})\b")
_number = re.compile(r"-?\d+(?:\.\d+)?")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One record; what it does not say is "" or None."""

    file: str
    number: int
    outcome: str = ""
    from_: str = ""
    to: str = ""
    commit: str = ""
    evidence: str = ""
    evidence_file: str = ""
    #: Days of work that it took, as the team counted them.
    days: float | None = None
    #: Gaps that were closed, by dimension.
    gaps: dict[str, int] = {}
    #: The band of days that was told before, if one was.
    band: tuple[float, float] | None = None

    def is_evidence_right(self, root: Path) -> bool:
        """Whether the file is there and has that digest."""
        try:
            data = Path(root, self.evidence_file).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(data).hexdigest() == self.evidence


def read_decisions(root: Path, folder: str = FOLDER) -> list[Decision]:
    """The records of a folder in the order of their numbers; others than `NNNN-*.md` are left."""
    found = []
    for path in sorted(Path(root, folder).glob("[0-9][0-9][0-9][0-9]-*.md")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        found.append(parse_decision(text, name))
    return found


def parse_decision(text: str, file: str) -> Decision:
    """A record of its text; `file` is "decisions/0003-harden.md"."""
    values: dict[str, str] = {}
    for line in text.partition("\n## ")[0].splitlines():
        if match := _line(line.strip()):
            values.setdefault(re.sub(r"[ -]+", "_", match[1].strip().lower()), match[2])
    name = file.rpartition("/")[2]
    evidence = values.get("evidence", "") + " " + values.get("evidence_digest", "")
    digest = _digest.search(evidence)
    named = evidence.split()[0].strip("`") if digest and evidence.split() else ""
    stage = values.get("stage", "")
    moved = re.match(r"(\w+)\s*(?:->|→|to)\s*(\w+)", stage)
    return Decision(
        file=file,
        number=int(name[:4]),
        outcome=values.get("outcome", "") or name[5:].removesuffix(".md"),
        from_=values.get("from", "") or (moved[1] if moved else ""),
        to=values.get("to", "") or (moved[2] if moved else ""),
        commit=(values.get("commit", "").split() or [""])[0].strip("`"),
        evidence=digest[1] if digest and not _digest.match(named) else "",
        evidence_file=named,
        days=_first(values.get("days_spent") or values.get("actual_days_spent", "")),
        gaps={
            word.lower(): int(number)
            for word, number in re.findall(r"([A-Za-z][A-Za-z ]*?)\s*[=:]?\s*(\d+)",
                                           values.get("gaps", ""))
        },
        band=_band(values.get("band", "")),
    )  # fmt: skip


def _first(text: str) -> float | None:
    found = _number.search(text)
    return float(found[0]) if found else None


def _band(text: str) -> tuple[float, float] | None:
    found = re.findall(r"\d+(?:\.\d+)?", text)
    return (float(found[0]), float(found[1])) if len(found) >= 2 else None
