"""The JSON API: what is on the shelf."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hipflask import Blueprint, abort, request

from . import shelf

bp = Blueprint("api", __name__, url_prefix="/api")


@bp.get("/tools")
def list_tools() -> Any:
    return [asdict(tool) for tool in shelf.find_tools(request.args.get("q", ""))]


@bp.get("/tools/<slug>")
def show_tool(slug: str) -> Any:
    tool = shelf.TOOLS.get(slug)
    if tool is None:
        abort(404, f"There is no tool {slug!r}; /api/tools lists them.")
    return asdict(tool)
