"""What every answer carries, and which requests are turned away before a view runs."""

from __future__ import annotations

from hipflask import Flask, Response, abort, request

HEADERS = {
    # Nothing inline, nothing from elsewhere, in nobody's frame.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def init_app(app: Flask) -> None:
    """Put the two functions around every request of `app`."""
    app.before_request(refuse_other_sites)
    app.after_request(add_headers)


def refuse_other_sites() -> None:
    """Answer 403 to a form that another site sends with this visitor's browser."""
    if request.method == "POST":
        sender = request.headers.get("Sec-Fetch-Site", "none")
        if sender not in ("same-origin", "none"):
            abort(403, "This form was sent from another site. Open the page here and try again.")


def add_headers(response: Response) -> Response:
    """Add the headers that a view did not set itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
