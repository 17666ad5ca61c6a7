"""What the gate says when it does not let something through."""

from __future__ import annotations

from collections.abc import Mapping


class GateError(Exception):
    """Refused. `code` is the HTTP status: 403 may not, 404 not there, 409 moved on, 422 wrong.

    `errors` are messages by parameter. The text is for whoever asked.
    """

    def __init__(self, message: str, code: int, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.errors = dict(errors or {})
