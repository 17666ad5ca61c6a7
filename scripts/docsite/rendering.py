"""Markdown to HTML: anchors as GitHub makes them, code with colours, tables that scroll."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from .reading import PageError, address_of, relative, resolve

_COMMENT = re.compile(r"\s*(<!--.*?-->\s*)+", re.DOTALL)
_FILE = re.compile(r"<!--\s*file:\s*(.*?)\s*-->")
# Markdown has no table without a head; a cell that names nothing is no heading.
_EMPTY_CELL = re.compile(r"<th([^>]*)></th>")
_EMPTY_HEAD = re.compile(r"<thead>\s*<tr>(?:\s*<th[^>]*></th>)+\s*</tr>\s*</thead>\s*")
_FORMATTER = HtmlFormatter(nowrap=True)


@dataclass
class Section:
    """A heading and the words below it, to be found by."""

    anchor: str
    title: str
    level: int
    words: list[str] = field(default_factory=list)


@dataclass
class Rendered:
    """A page's HTML and its sections; the first is the page's own."""

    html: str
    sections: list[Section]
    code_spans: list[str]


class _Anchors:
    """Names of headings as GitHub makes them; the second of a kind gets -1."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def make(self, title: str) -> str:
        name = re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") or "section"
        count = self._seen.get(name, -1) + 1
        self._seen[name] = count
        return f"{name}-{count}" if count else name


def highlighted(code: str, language: str) -> str:
    """Return code as HTML with classes for its colours; as it is where nobody knows it."""
    if not language or language == "text":
        return html.escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return html.escape(code)
    return str(highlight(code, lexer, _FORMATTER)).rstrip("\n") + "\n"


def code_block(code: str, language: str, caption: str = "") -> str:
    """Return a block of code; one that is wide scrolls, so it can be reached by keyboard."""
    named = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    label = html.escape(caption or {"console": "Commands"}.get(language, "Code"))
    return (
        f'<figure class="code">{named}<pre tabindex="0" role="group" aria-label="{label}">'
        f"<code>{highlighted(code, language)}</code></pre></figure>\n"
    )


def render(text: str, path: str = "", known: frozenset[str] = frozenset()) -> Rendered:
    """Return a page of the repository as HTML; PageError for raw HTML in it.

    `path` is the page's own, by which its links are understood; those to a path in `known` lead
    to its page, others are left for the check to find.
    """
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    anchors, sections, spans = _Anchors(), [Section("", "", 1)], []
    caption = ""
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.type == "heading_open" and following is not None:
            level = int(token.tag[1])
            title = _words(following)
            anchor = anchors.make(title)
            token.attrSet("id", anchor)
            if level == 1 and not sections[0].title:
                sections[0].title, sections[0].anchor = title, anchor
            else:
                sections.append(Section(anchor, title, level))
        elif token.type == "html_block":
            if not _COMMENT.fullmatch(token.content):
                raise PageError(f"{path}: raw HTML is not shown: {token.content.strip()[:60]!r}")
            named = _FILE.search(token.content)
            caption = named[1] if named else caption
            token.content = ""
        elif token.type in ("th_open", "td_open") and token.attrs.pop("style", None):
            token.attrSet("class", "right")  # what is aligned at all, is figures
        elif token.type == "fence":
            token.meta["caption"], caption = caption, ""
            sections[-1].words.append(token.content)
        elif token.type == "inline":
            if not (sections[-1].title and sections[-1].title == _words(token)):
                sections[-1].words.append(_words(token))
            spans += [each.content for each in token.children or () if each.type == "code_inline"]
            _aim_links(token, path, known)
    rules = {
        "fence": _fence,
        "code_block": _indented,
        "table_open": _table_open(sections),
        "table_close": lambda *_: "</table></div>\n",
    }
    for name, rule in rules.items():
        parser.renderer.rules[name] = rule
    made = _EMPTY_HEAD.sub("", parser.renderer.render(tokens, parser.options, {}))
    return Rendered(_EMPTY_CELL.sub(r"<td\1></td>", made), sections, spans)


def _fence(tokens: list[Token], index: int, *_: Any) -> str:
    token = tokens[index]
    language = token.info.split()[0] if token.info else ""
    return code_block(token.content, language, token.meta.get("caption", ""))


def _indented(tokens: list[Token], index: int, *_: Any) -> str:
    code = tokens[index].content
    return code_block(code, "pycon" if code.startswith(">>>") else "python")


def _table_open(sections: list[Section]) -> Any:
    """A table scrolls by itself, within a box that can be reached by keyboard and has a name."""
    title = html.escape(sections[0].title or "Table")

    def opened(tokens: list[Token], index: int, *_: Any) -> str:
        return f'<div class="wide" tabindex="0" role="group" aria-label="{title}: table"><table>\n'

    return opened


def _aim_links(token: Token, path: str, known: frozenset[str]) -> None:
    for each in token.children or ():
        if each.type == "link_open" and path:
            target = str(each.attrGet("href") or "")
            if "://" in target:
                each.attrSet("rel", "noreferrer")
                continue
            file, mark, anchor = target.partition("#")
            if file:
                named = resolve(file, path)
                if named in known:
                    file = relative(address_of(named), address_of(path))
            each.attrSet("href", file + mark + anchor)


def _words(token: Token) -> str:
    """What a reader sees of an inline token."""
    parts = []
    for each in token.children or ():
        if each.type in ("text", "code_inline"):
            parts.append(each.content)
        elif each.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)
