"""The widgets by which a list is filtered: made of the columns, filled from the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from .asked import Asked
from .columns import Column
from .fields import field_of

#: Choices that get a box each; of more, one is chosen from a list.
_MOST_BOXES = 8


class Widget(msgspec.Struct, frozen=True):
    """One filter on the page; `kind` is many, one, or the type of an input."""

    id: str
    name: str
    label: str
    kind: str
    text: str = ""
    texts: tuple[str, ...] = ()
    error: str = ""
    options: tuple[tuple[str, str], ...] = ()


def widgets_of(filters: Sequence[Column], asked: Asked) -> list[Widget]:
    """The widgets of the columns that may be filtered by."""
    found: list[Widget] = []
    for column in filters:
        for operator, words in _asked_of(column):
            name = f"{column.name}.{operator}"
            # No name of anybody's goes into an id.
            found.append(_widget(f"filter-{len(found)}", name, column, operator, words, asked))
    # What stands in the address and has no widget is kept as a field of its own.
    known = {each.name for each in found}
    for each in asked.filters:
        if each.name not in known:
            label = f"{each.column.label} {each.operator}"
            texts = ("yes", "no") if each.operator == "null" else ()
            options = (("", "any"), *((text, text) for text in texts)) if texts else ()
            found.append(
                Widget(
                    f"filter-{len(found)}",
                    each.name,
                    "No " + each.column.label.lower() if texts else label,
                    "one" if texts else "text",
                    each.texts[-1],
                    each.texts,
                    "",
                    options,
                )
            )
    return found


def _asked_of(column: Column) -> list[tuple[str, str]]:
    """The operators that get a widget, and the words behind the column's name."""
    match column.kind:
        case "number" | "time":
            return [("from", "from"), ("to", "to")]
        case "choice" | "flag":
            return [("is", "")]
        case "text" | "other":
            return [("has", "")]
    return [("null", "missing")]


def _widget(id: str, name: str, column: Column, operator: str, words: str, asked: Asked) -> Widget:
    label = f"{column.label} {words}".rstrip()
    text, error = asked.text_of(name), asked.errors.get(name, "")
    texts = asked.texts_of(name)
    if column.kind == "choice":
        options = tuple(pair for pair in field_of(column.name, column.type).options if pair[0])
        if len(options) <= _MOST_BOXES:
            return Widget(id, name, label, "many", text, texts, error, options)
        return Widget(id, name, label, "one", text, texts, error, (("", "any"), *options))
    if column.kind == "flag" or operator == "null":
        options = (("", "any"), ("yes", "Yes"), ("no", "No"))
        text = {"true": "yes", "false": "no"}.get(text.lower(), text)
        return Widget(id, name, label, "one", text, texts, error, options)
    kind = "date" if _takes_date(column, text) else "text"
    return Widget(id, name, label, kind, text, texts, error)


def _takes_date(column: Column, text: str) -> bool:
    """Whether a browser's field for dates can hold the text; a moment it cannot."""
    is_date = column.kind == "time" and issubclass(column.type, date)
    return is_date and (not text or (len(text) == 10 and text[4:5] == "-"))


def counted(listing: Any) -> str:
    """How many rows there are and which these are, in words."""
    count, first = listing.count, listing.asked.offset + 1
    last = listing.asked.offset + len(listing.rows)
    total = f"more than {count:,} rows" if listing.is_capped else f"{count:,} rows"
    if count == 1 and not listing.is_capped:
        total = "1 row"
    if not listing.rows or (first == 1 and last == count):
        return total[:1].upper() + total[1:]
    return f"{first:,} to {last:,} of {total}"
