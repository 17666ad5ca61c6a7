"""No block of code and no sentence under src/ is taken from Flask or Werkzeug."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .source import ROOT, source_files

RUN = 40
SENTENCE_WORDS = 8
PEERS = ("flask", "werkzeug")
# Runs that equal names and signatures make unavoidable: a part of the run, and why.
UNAVOIDABLE: dict[str, str] = {}
# Sentences that Flask's own tests match on, word by word: a part of the sentence, and which test.
UNAVOIDABLE_SENTENCES = {
    "is not a subclass of exception": "test_user_error_handler.py matches on it",
    "looked up from an endpoint that belongs to the blueprint": "test_templating.py matches on it",
}
SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
Token = tuple[str, int]


def tokens_of(path: Path) -> list[Token]:
    """Returns a file's tokens with their lines: no comments, no docstrings, no layout.

    Signatures, decorators and imports are left out: their names and order are what has to be equal.
    """
    text = path.read_text(encoding="utf-8")
    left_out = lines_left_out(ast.parse(text))
    return [
        (token.string, token.start[0])
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in SKIPPED and token.start[0] not in left_out
    ]


def lines_left_out(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines.update(range(start, max(node.body[0].lineno, node.lineno + 1)))
        docstring = docstring_node(node)
        if docstring is not None:
            lines.update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return lines


def docstring_node(node: ast.AST) -> ast.Expr | None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if isinstance(node, kinds) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            if isinstance(first.value.value, str):
                return first
    return None


def runs(tokens: list[Token], length: int) -> Iterator[tuple[tuple[str, ...], int]]:
    strings = [token for token, _ in tokens]
    for start in range(len(tokens) - length + 1):
        yield tuple(strings[start : start + length]), tokens[start][1]


@cache
def peer_files() -> list[Path]:
    files: list[Path] = []
    for name in PEERS:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            files += sorted(Path(spec.submodule_search_locations[0]).rglob("*.py"))
    return files


@cache
def peer_runs() -> dict[tuple[str, ...], str]:
    return {
        run: f"{path.parent.name}/{path.name}:{line}"
        for path in peer_files()
        for run, line in runs(tokens_of(path), RUN)
    }


def prose_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yields a file's docstrings, comments and messages, with their lines."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
        if isinstance(node, ast.JoinedStr):
            parts = [v.value for v in node.values if isinstance(v, ast.Constant)]
            yield " ".join(str(part) for part in parts), node.lineno
    comments = [
        (token.string.lstrip("#:! "), token.start[0])
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    block: list[str] = []
    for number, (comment, line) in enumerate(comments):
        block.append(comment)
        if number + 1 == len(comments) or comments[number + 1][1] != line + 1:
            yield " ".join(block), line
            block = []


def sentences_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yields sentences of at least SENTENCE_WORDS words: lower case, words only."""
    for text, line in prose_of(path):
        for sentence in re.split(r"[.:;!?](?:\s|$)|\n\s*\n", text):
            words = re.findall(r"[a-z0-9_']+", sentence.lower())
            if len(words) >= SENTENCE_WORDS:
                yield " ".join(words), line


@cache
def peer_sentences() -> dict[str, str]:
    return {
        sentence: f"{path.parent.name}/{path.name}:{line}"
        for path in peer_files()
        for sentence, line in sentences_of(path)
    }


needs_peers = pytest.mark.skipif(
    importlib.util.find_spec("flask") is None,
    reason="compares with Flask's source: pip install flask==3.1.3",
)


@needs_peers
def test_no_run_of_equal_tokens() -> None:
    found: dict[str, str] = {}
    for path in source_files():
        name = path.relative_to(ROOT).as_posix()
        for run, line in runs(tokens_of(path), RUN):
            if run in peer_runs() and f"{name}:{line - 1}" not in found:
                found[f"{name}:{line}"] = f"{peer_runs()[run]} {' '.join(run)}"
    unexpected = {
        place: text
        for place, text in found.items()
        if not any(part in text for part in UNAVOIDABLE)
    }
    assert unexpected == {}


@needs_peers
def test_no_sentence_in_common() -> None:
    found = {}
    for path in source_files():
        for sentence, line in sentences_of(path):
            if sentence in peer_sentences():
                found[f"{path.relative_to(ROOT)}:{line} {sentence}"] = peer_sentences()[sentence]
    unexpected = {
        place: text
        for place, text in found.items()
        if not any(part in place for part in UNAVOIDABLE_SENTENCES)
    }
    assert unexpected == {}


@needs_peers
def test_the_check_would_notice_a_copy() -> None:
    sample = next(path for path in peer_files() if path.name == "wrappers.py")
    assert any(run in peer_runs() for run, _ in runs(tokens_of(sample), RUN))
    assert any(sentence in peer_sentences() for sentence, _ in sentences_of(sample))
