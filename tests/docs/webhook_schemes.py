"""Makes the tables of docs/lookup/webhook-schemes.md from the table of schemes.

python tests/docs/webhook_schemes.py       writes them into the page
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "lookup" / "webhook-schemes.md"

_PLACE = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _seconds(limit):
    return "any" if limit is None else f"{limit:g} s"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _field(scheme):
    layout = scheme.layout
    value = {
        "Versions": "v1,… v1a,…",
        "Listed": f"{getattr(layout, 'prefix', '')}…,…",
        "Whole": f"{getattr(layout, 'prefix', '')}…",
    }.get(type(layout).__name__)
    if value is None:
        names = [f"{layout.names}=…"] if layout.names else []
        value = layout.separator.join([f"{layout.time}=…", *names, f"{layout.signature}=…"])
    return f"`{scheme.header}: {value}`"


def _content(scheme):
    if scheme.algorithm == "token":
        return "nothing"
    form = ", form" if scheme.signs_form else ""
    return f"`{scheme.content}`{form}"


def _algorithm(scheme):
    names = {"rsa-sha256": "RSA, SHA-256", "ed25519": "Ed25519", "token": "compared"}
    name = names.get(scheme.algorithm, f"HMAC-{scheme.algorithm.upper()}")
    return name if scheme.algorithm == "token" else f"{name}, {scheme.encoding}"


def _time(scheme):
    if scheme.body_time:
        return f"`{scheme.body_time}` in the body"
    if scheme.time_header:
        return f"`{scheme.time_header}`"
    return f"`{scheme.layout.time}=`" if scheme.has_time else "none"


def _id(scheme):
    if scheme.id_header:
        place = f"`{scheme.id_header}`"
    else:
        place = f"`{scheme.body_id}` in the body" if scheme.body_id else "none"
    if "{names}" in scheme.pieces:
        return f"{place}, signed if named in `h`"
    return f"{place}, {'signed' if scheme.is_id_signed else '**not signed**'}"


def make_signatures():
    """Return the table of what is signed and how."""
    from hipflask.webhooks import SCHEMES

    head = ("scheme", "sender", "field", "signed content", "algorithm")
    return _table(
        head,
        [(f"`{s.name}`", s.title, _field(s), _content(s), _algorithm(s)) for s in SCHEMES.values()],
    )


def make_times():
    """Return the table of times and ids."""
    from hipflask.webhooks import SCHEMES

    head = ("scheme", "time", "may be old", "may be ahead", "id", "signs the body")
    return _table(
        head,
        [
            (
                f"`{s.name}`",
                _time(s),
                _seconds(s.tolerance_s),
                _seconds(s.future_s),
                _id(s),
                "yes" if s.is_body_signed else "**no**",
            )
            for s in SCHEMES.values()
        ],
    )


def make_senders():
    """Return the table of what senders do."""
    from hipflask.webhooks import SCHEMES

    head = ("scheme", "waits; tries again", "change of secrets", "after")
    return _table(
        head,
        [(f"`{s.name}`", s.patience or "-", s.rotation or "-", s.source) for s in SCHEMES.values()],
    )


def make_notes():
    """Return what to know of each scheme, a line each."""
    from hipflask.webhooks import SCHEMES

    lines = []
    for scheme in SCHEMES.values():
        lines += [f"- `{scheme.name}`: {note}" for note in scheme.notes]
        lines += [f"- `{scheme.name}` †: {fact}" for fact in scheme.lenient]
    return "\n".join(lines) + "\n"


def make_page(text):
    """Return the page's text with the made parts put in anew."""
    makers = {
        "signatures": make_signatures,
        "times": make_times,
        "senders": make_senders,
        "notes": make_notes,
    }
    return _PLACE.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    PAGE.write_text(make_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
