"""Finds the fenced blocks of a Markdown page, with the marks their readers do not see.

A mark is an HTML comment in the lines before a block:

    <!-- file: hello.py -->       the block is this file, in the folder the page is run in
    <!-- continues -->            goes on where the page's last Python block ended
    <!-- skip: the reason -->     is not run (but saved, if a file); there must be a reason
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MARKS = {"file", "continues", "skip"}

_MARK = re.compile(r"<!--\s*(\w+)(?::\s*(.*?))?\s*-->")
_FENCE = re.compile(r"(`{3,})(\S*)")


class BlockError(Exception):
    """A page cannot be read: a fence without end, a mark that is none."""


@dataclass
class Block:
    """One fenced block; `line` is where its text begins, counted from 1."""

    language: str
    line: int
    text: str = ""
    marks: dict[str, str] = field(default_factory=dict)


def parse_blocks(text: str) -> list[Block]:
    """Return the blocks of a page in order; BlockError for what makes no sense."""
    blocks: list[Block] = []
    marks: dict[str, str] = {}
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if fence:
            if line.strip() == fence:
                fence = ""
            else:
                blocks[-1].text += line + "\n"
        elif opening := _FENCE.match(line):
            fence, language = opening.groups()
            blocks.append(Block(language, number + 1, marks=marks))
            marks = {}
        elif mark := _MARK.fullmatch(line.strip()):
            marks[mark[1]] = mark[2] or ""
        elif line.strip():
            marks = {}
    if fence:
        raise BlockError(f"line {blocks[-1].line}: the block is never closed")
    for block in blocks:
        if unknown := block.marks.keys() - MARKS:
            raise BlockError(f"line {block.line}: no such mark: {', '.join(sorted(unknown))}")
        if block.marks.get("skip") == "":
            raise BlockError(f"line {block.line}: skipped without a reason")
    return blocks


@dataclass
class Command:
    """A line a reader types, and what the page says is printed then."""

    text: str
    line: int
    shown: list[str] = field(default_factory=list)


def parse_commands(block: Block) -> list[Command]:
    """Return the commands of a console block; BlockError if it does not begin with one."""
    commands: list[Command] = []
    continued = False
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if continued:
            commands[-1].text += "\n" + line
        elif line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ "), number))
        elif commands:
            commands[-1].shown.append(line)
            continue
        else:
            raise BlockError(f"line {number}: a console block begins with '$ '")
        continued = line.endswith("\\")
    return commands


def is_as_shown(printed: str, shown: list[str]) -> bool:
    """Whether `printed` is what the page shows; `...` there stands for any text."""
    return _pattern(shown).fullmatch(printed.strip("\n")) is not None


def begins_as_shown(printed: str, shown: list[str]) -> bool:
    """Whether `printed` begins with what the page shows."""
    return _pattern(shown).match(printed.strip("\n")) is not None


def _pattern(shown: list[str]) -> re.Pattern[str]:
    text = re.escape("\n".join(shown).strip("\n"))
    return re.compile(text.replace(re.escape("..."), ".*?"), re.DOTALL)
