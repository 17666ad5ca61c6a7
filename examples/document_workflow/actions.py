"""What people do with documents. Each is planned first, shown, and only then done."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hipflask.tools import Accepts, Row, Table, Tool, Upload
from hipflask.tools.actions import Run

from .reading import LONGEST, extract
from .store import Archive


def add_actions(books: Tool, documents: Table, archive: Archive) -> None:
    """Give the tool its actions."""

    @books.action(roles="clerk", label="Upload a document")
    def upload(
        run: Run,
        file: Annotated[Upload, Accepts("text/*", "application/json", max_bytes=LONGEST)],
    ) -> None:
        """Take an invoice in: its fields are read and checked before anything is kept."""
        data = file.read()
        fields = extract(data)
        wrong = archive.wrong(fields)
        what = f"invoice {fields.number} of {fields.supplier}, {fields.total} EUR"
        verdict = f"held: {' '.join(wrong)}" if wrong else "checked, nothing is wrong"
        run.do(f"take in {what} ({verdict})", archive.take_in, file.filename or "document", data)

    @documents.action(roles="clerk", available=lambda row: row.state in ("held", "checked"))
    def check_again(run: Run, row: Row) -> None:
        """Hold documents against the rules once more, after a correction."""
        run.do(f"check document {row.id} again", archive.check_again, row.id)

    @documents.action(
        roles="clerk",
        approve="controller",
        undo_for="24h",
        available=lambda row: bool(row.state == "checked"),
    )
    def post(run: Run, row: Row) -> None:
        """Write checked documents into the books."""
        run.do(
            f"post {row.total} EUR of {row.supplier}, invoice {row.number}",
            archive.post, row.id,
            undo=(archive.post_back, row.id),
        )  # fmt: skip

    @documents.action(
        roles="clerk", undo_for="24h", available=lambda row: row.state in ("held", "checked")
    )
    def reject(
        run: Run, row: Row, reason: Annotated[str, Meta(min_length=5, max_length=200)]
    ) -> None:
        """Set documents aside, with a reason that the supplier may read."""
        run.do(
            f"reject document {row.id}: {reason}", archive.reject, row.id, reason,
            undo=(archive.reopen, row.id),
        )  # fmt: skip
