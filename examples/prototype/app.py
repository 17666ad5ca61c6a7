"""The application: lets people try it, on this machine alone until somebody logs in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct

from hipflask import Flask, render_template_string
from hipflask.api import Query, problems
from hipflask.guards import protect
from hipflask.security import public
from hipflask.stages import declare

from .finding import Finder
from .trials import library

PAGE = """<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<title>Library finder</title>
<body>
<h1>Library finder</h1>
<form><label>What should it do? <input name="sentence" value="{{ sentence }}" maxlength="300">
</label> <button>Find</button></form>
{% if sentence %}<ol>{% for name in found %}<li>{{ name }}</li>{% endfor %}</ol>
{% if not found %}<p>None of these words is known.</p>{% endif %}{% endif %}
</body>
</html>
"""


class Sentence(Struct):
    """What is asked."""

    sentence: Annotated[str, Meta(max_length=300)] = ""


class Found(Struct):
    """The modules that fit best, the best first."""

    modules: list[str]


def create_app(
    config: dict[str, Any] | None = None, *, clock: Callable[[], float] = time.time
) -> Flask:
    """Return the application; `config` goes over its defaults, `clock` is what its end goes by."""
    app = Flask(__name__)
    app.config.update(config or {})
    protect(app)
    problems.everywhere(app)
    app.access = public
    finder = Finder(library()[0])

    @app.get("/")
    def page(asked: Query[Sentence]) -> str:
        found = finder.find(asked.sentence)
        return render_template_string(PAGE, sentence=asked.sentence, found=found)

    @app.get("/modules")
    def modules(asked: Query[Sentence]) -> Found:
        """The modules that a sentence is about."""
        return Found(finder.find(asked.sentence))

    declare(app, clock=clock)
    return app
