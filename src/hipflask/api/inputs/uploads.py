"""Files that a form brings, with the size and type that the view asks for.

@app.post("/avatar")
def avatar(picture: Annotated[Upload, Accepts("image/*", max_bytes=1 << 20)]) -> Avatar: ...
"""

from __future__ import annotations

import os
from typing import Any, cast

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from ...streams import BodyStream as BodyStream
from ..marks import Accepts
from ..model import Flaw, Rejected


class Upload(FileStorage):
    """An uploaded file: `filename`, `mimetype`, `size` in bytes, `read()`, `save(path)`.

    Kept in memory up to 500 kB, in a temporary file past that, and closed with the request.
    `filename` and `mimetype` are what the client says: pass the name through
    `werkzeug.utils.secure_filename` before a path is made of it.
    """

    #: Bytes of the file.
    size: int

    @classmethod
    def of(cls, part: FileStorage) -> Upload:
        """The same file, measured. It shares the stream of `part`."""
        stream = cast("Any", part.stream)
        made = cls(stream, part.filename, part.name, headers=part.headers)
        stream.seek(0, os.SEEK_END)
        made.size = stream.tell()
        stream.seek(0)
        return made


def upload_of(part: FileStorage, accepts: Accepts | None) -> Upload:
    """The file of a form's part, if it is what the view accepts.

    Raises Rejected for another media type, RequestEntityTooLarge (413) for a larger file.
    """
    upload = Upload.of(part)
    if accepts is None:
        return upload
    if accepts.types and not any(_covers(kind, upload.mimetype) for kind in accepts.types):
        raise Rejected([Flaw((), f"a file of type {' or '.join(accepts.types)}", "another type")])
    if accepts.max_bytes is not None and upload.size > accepts.max_bytes:
        raise RequestEntityTooLarge(
            f"The file {upload.name!r} may have {accepts.max_bytes} bytes at most."
        )
    return upload


def _covers(wanted: str, kind: str) -> bool:
    wanted = wanted.lower()
    if wanted.endswith("/*"):
        return wanted == "*/*" or kind.startswith(wanted[:-1])
    return kind == wanted
