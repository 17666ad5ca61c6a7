"""The stylesheet and the script: read once, addressed by what is in them, sent packed."""

from __future__ import annotations

import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "static"
TYPES = {"look.css": "text/css", "look.js": "text/javascript"}
#: A year. The address of other bytes is another one, so that nobody needs to ask again.
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A file of ours: its bytes, the same packed, and a digest of twelve digits."""

    body: bytes
    packed: bytes
    digest: str


@functools.cache
def read_asset(name: str) -> Asset:
    """One of `TYPES`; FileNotFoundError for a name that is none of them."""
    if name not in TYPES:
        raise FileNotFoundError(f"The look has no file {name!r}; it has {', '.join(TYPES)}.")
    # As git may have checked it out with other line ends, which are no other file.
    body = (FOLDER / name).read_bytes().replace(b"\r\n", b"\n")
    return Asset(body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:12])


def answer(request: Any, response_class: Any, name: str) -> Any:
    """The response for a file: packed for who takes it, kept for good at its own address."""
    found = read_asset(name)
    is_packed = request.accept_encodings.quality("gzip") > 0
    response = response_class(
        found.packed if is_packed else found.body, mimetype=TYPES[name], headers=_HEADERS
    )
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    is_own = request.args.get("v") == found.digest
    response.headers["Cache-Control"] = _FOREVER if is_own else "no-cache"
    response.set_etag(f"{found.digest}{'-gz' if is_packed else ''}")
    return response.make_conditional(request)


_HEADERS = [
    ("Vary", "Accept-Encoding"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
