"""Debian's Chromium, how it is started here, and what axe is asked."""

from __future__ import annotations

import shutil
from typing import Any

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


def find_chromium() -> str | None:
    """Where it is; None where it is not installed."""
    return shutil.which("chromium") or shutil.which("google-chrome")


def axe_options(*tags: str) -> dict[str, Any]:
    """To have axe look for what breaks these of its tags."""
    return {"runOnly": {"type": "tag", "values": list(tags)}}
