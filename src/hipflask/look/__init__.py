"""How pages look, and what all of them are made of: one stylesheet, one script, one layout.

A battery with pages makes a `Look` over its own templates. They extend `look/layout.html` and
take their fields, tables, badges and charts from `look/macros.html`.
"""

from __future__ import annotations

from .charts import Chart, bars, line, spark
from .origin import check_origin
from .pages import Look

__all__ = ["Chart", "Look", "bars", "check_origin", "line", "spark"]
