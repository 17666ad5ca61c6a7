"""The trials: sentences whose module is known, asked of the finder; what came of it."""

from __future__ import annotations

import importlib
import inspect
import json
import platform
from functools import cache
from typing import Any

from .finding import Finder

#: Modules of the library that explain themselves, and import without doing anything.
MODULES = """
argparse ast base64 bisect bz2 calendar cmath cmd collections concurrent.futures contextlib copy
csv dataclasses datetime decimal difflib dis email enum fileinput fnmatch fractions ftplib
functools getopt getpass gettext glob graphlib gzip hashlib heapq hmac html http.client
http.cookies imaplib inspect io ipaddress itertools json keyword linecache locale logging lzma
mailbox math mimetypes netrc numbers operator os pathlib pickle pkgutil plistlib poplib pprint
profile queue quopri random re reprlib sched secrets selectors shelve shlex shutil signal smtplib
socket socketserver ssl stat statistics string struct subprocess tarfile tempfile textwrap
threading timeit token tokenize traceback types unicodedata urllib.parse urllib.request uuid
warnings wave weakref webbrowser xml.etree.ElementTree xmlrpc.client zipfile zlib
""".split()  # noqa: SIM905
_SHORTEST = 5


@cache
def library() -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What is known of each module, and the sentences that are asked: (sentence, module)."""
    texts: dict[str, str] = {}
    asked: list[tuple[str, str]] = []
    for name in MODULES:
        module = importlib.import_module(name)
        parts = [name.replace(".", " "), inspect.getdoc(module) or ""]
        for key, value in sorted(vars(module).items()):
            is_own = getattr(value, "__module__", None) == name
            if key.startswith("_") or not is_own or not callable(value):
                continue
            first, _, rest = (inspect.getdoc(value) or "").partition("\n")
            # Not the name: that would be no sentence about what it does.
            parts.append(f"{key.replace('_', ' ')} {rest}")
            if len(first.split()) >= _SHORTEST and key.lower() not in first.lower():
                asked.append((first, name))
        texts[name] = "\n".join(parts)
    return texts, asked


def run_trials() -> dict[str, Any]:
    """All trials, counted: the evidence that a decision rests on."""
    texts, asked = library()
    finder = Finder(texts)
    ranks = [(found.index(name) + 1 if name in found else 0) for found, name in
             ((finder.find(sentence), name) for sentence, name in asked)]  # fmt: skip
    right = sum(1 for rank in ranks if rank)
    missed = [sentence for (sentence, _), rank in zip(asked, ranks, strict=True) if not rank]
    return {
        "python": platform.python_version(),
        "modules": len(texts),
        "trials": len(asked),
        "first": sum(1 for rank in ranks if rank == 1),
        "among_three": right,
        "share": round(right / len(asked), 3),
        "missed": missed[:10],
    }


def dump(evidence: dict[str, Any]) -> str:
    """The evidence as it is kept with a decision."""
    return json.dumps(evidence, indent=2, ensure_ascii=False) + "\n"
