"""The application that pages of other sites try to write to, in a browser: see browsers.py."""

from __future__ import annotations

from hipflask import Flask, render_template_string, request
from hipflask.guards import protect

app = Flask(__name__)
app.config.update(SECRET_KEY="b" * 8 + "0123456789abcdef" * 3, SESSION_COOKIE_SAMESITE=None)
protect(app)
seen: list[list[str]] = []

PAGE = """<!doctype html><title>friendly</title>
<body><script nonce="{{ csp_nonce() }}">{{ script|safe }}</script>"""


@app.after_request
def note(response):
    if request.path.startswith("/write/"):
        written = "written" if response.get_data() == b"written" else "refused"
        seen.append([request.path.removeprefix("/write/"), request.method, written])
    return response


@app.route("/write/<name>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def write(name):
    return "read" if request.method == "GET" else "written"


@app.get("/page")
def page():
    return render_template_string(PAGE, script=request.args["script"])


@app.get("/seen")
def tell():
    return seen
