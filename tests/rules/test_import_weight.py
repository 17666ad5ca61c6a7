"""`import hipflask` and a plain request stay light."""

from __future__ import annotations

import os
import subprocess
import sys

# Loaded when first needed, not by the import. `import werkzeug` brings werkzeug.serving and
# werkzeug.test whatever we do: the list holds what would be our doing.
UNWANTED = [
    "asgiref",
    "asyncio",
    "click",
    "decimal",
    "dotenv",
    "granian",
    "itsdangerous",
    "jinja2",
    "msgspec",
    "unittest",
    "watchfiles",
    "werkzeug.debug",
    "hipflask.cli",
    "hipflask.debughelpers",
    "hipflask.server",
    "hipflask.testing",
]


def loaded_after(code: str) -> set[str]:
    """Returns the unwanted modules that a fresh Python has loaded after the code."""
    tail = f"\nimport sys; print(*[name for name in {UNWANTED!r} if name in sys.modules])"
    command = [sys.executable, "-c", code + tail]
    # Coverage in the child would load modules of its own.
    environ = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    return set(done.stdout.split())


def test_import_loads_none_of_the_heavy_modules() -> None:
    assert loaded_after("import hipflask") == set()


def test_the_check_would_notice() -> None:
    assert "click" in loaded_after("import hipflask, click")


def test_making_an_app_and_a_route_loads_none_but_what_routing_needs() -> None:
    code = "import hipflask\napp = hipflask.Flask('x')\napp.get('/<int:n>')(lambda n: str(n))"
    assert loaded_after(code) <= {"decimal"}
