"""The login's pages: our templates in the layout that all pages have, without a script."""

from __future__ import annotations

from pathlib import Path

from ...look import Look

NAME = "hipflask_login"

LOOK = Look(NAME, Path(__file__).parent / "templates", has_script=False)
page, link = LOOK.page, LOOK.link
