"""Errors as a page, or as JSON below /api; neither shows what went wrong inside."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import HTTPException

from hipflask import Flask, render_template, request

WORDS = {
    404: ("Nothing here", "No page has this address. It may have moved, or never been."),
    405: ("Not this way", "This address exists, but does not take this kind of request."),
    413: ("Too much", "What was sent is larger than this service accepts."),
    500: ("Our mistake", "Something broke on our side. It has been written down."),
}


def init_app(app: Flask) -> None:
    """Answer the errors of `app`, from a wrong address to a bug."""
    app.register_error_handler(HTTPException, show_error)


def show_error(error: HTTPException) -> Any:
    """Return the answer for an HTTP error; its own headers (Allow, ...) are kept."""
    code = error.code or 500
    title, text = WORDS.get(code, (error.name, error.description))
    if request.path.startswith("/api/"):
        text = error.description if code != 500 else text
        body: Any = {"error": title, "status": code, "detail": text}
    else:
        body = render_template("error.html", code=code, title=title, text=text)
    headers = [field for field in error.get_headers() if field[0].lower() != "content-type"]
    response: Any = error.response
    return response if response is not None else (body, code, headers)
