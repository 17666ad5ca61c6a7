"""Every block of every page is run, every link leads somewhere, every page can be found."""

from __future__ import annotations

import configparser
import re
import shutil
import sys
from pathlib import Path

import pytest

from .blocks import BlockError, begins_as_shown, is_as_shown, parse_blocks, parse_commands
from .reader import ROOT, Reader, ReaderError

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a POSIX shell")
@pytest.mark.parametrize("name", NAMES)
def test_page_does_what_it_says(name, tmp_path, record_property):
    blocks = parse_blocks((ROOT / name).read_text(encoding="utf-8"))
    needs_curl = any("curl " in block.text for block in blocks if block.language == "console")
    if needs_curl and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    wrong = ""
    try:
        with Reader(tmp_path) as reader:
            for block in blocks:
                reader.read(block)
        record_property("blocks", sum("skip" not in block.marks for block in blocks))
    except ReaderError as error:
        wrong = f"{name}: {error}"
    if wrong:
        pytest.fail(wrong, pytrace=False)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_files(name):
    page = ROOT / name
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            path = page.parent / target.partition("#")[0]
            assert path.exists(), f"{name} links to {target}, which is not there"


def test_every_page_is_reached_from_the_readme():
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target:
                ahead.append((page.parent / target.partition("#")[0]).resolve())
    assert set(PAGES) <= seen


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_are_there(name):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|\$ )make ([\w-]+)", (ROOT / name).read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no make {target}"


def test_readme_begins_with_a_short_program():
    first = parse_blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0]
    assert first.language == "python"
    assert len(first.text.splitlines()) <= 10
    assert first.line <= 10


# The runner itself: a page that lies must not pass.


def read(text: str, folder: Path) -> None:
    with Reader(folder) as reader:
        for block in parse_blocks(text):
            reader.read(block)


@pytest.mark.parametrize(
    "text",
    [
        "```python\n1 / 0\n```",
        "```python\n>>> 1 + 1\n3\n```",
        "<!-- file: broken.py -->\n```python\nimport no_such_module\n```",
        "```python\na = 1\n```\n```python\na\n```",
        "```json\n{\n```",
        "```toml\na =\n```",
        "```ini\nnothing\n```",
        "```cobol\n```",
        "```console\n$ false\n```",
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ hipflask --app no_such_module run\n```",
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a POSIX shell")
def test_reader_refuses_a_page_that_is_wrong(text, tmp_path):
    with pytest.raises((ReaderError, ValueError, configparser.Error)):
        read(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "```python\na = 1\n```\n<!-- continues -->\n```python\n>>> a\n1\n```",
        "<!-- file: one.py -->\n```python\na = 1\n```\n```python\nimport one; one.a\n```",
        "```console\n$ echo one \\\n  two\none two\n```",
        "```console\n$ export A=b\n$ echo $A\nb\n```",
        "```console\n$ echo one; echo two; echo three\none\n...\nthree\n```",
        "<!-- skip: it would not work -->\n```console\n$ false\n```",
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a POSIX shell")
def test_reader_takes_a_page_that_is_right(text, tmp_path):
    read(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```python\n", "never closed"),
        ("<!-- skip: -->\n```python\n```", "without a reason"),
        ("<!-- sikp: x -->\n```python\n```", "no such mark: sikp"),
    ],
)
def test_parse_blocks_refuses_what_makes_no_sense(text, words):
    with pytest.raises(BlockError, match=words):
        parse_blocks(text)


def test_marks_belong_to_the_block_that_follows_at_once():
    blocks = parse_blocks("<!-- skip: x -->\nwords\n```text\na\n```")
    assert blocks[0].marks == {}
    assert (blocks[0].line, blocks[0].text) == (4, "a\n")


def test_parse_commands_wants_a_command_first():
    with pytest.raises(BlockError, match="line 2"):
        parse_commands(parse_blocks("```console\nhello\n```")[0])


def test_a_server_may_print_more_than_is_shown():
    assert begins_as_shown("a\nb\nc\n", ["a", "b"])
    assert not begins_as_shown("x\na\n", ["a"])


def test_dots_stand_for_any_text():
    assert is_as_shown("a\nb\nc\n", ["a", "...", "c"])
    assert not is_as_shown("a\nb\nd\n", ["a", "...", "c"])
