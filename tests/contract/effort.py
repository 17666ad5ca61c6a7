"""How hard to search: the same examples every run by default, fresh ones on demand.

`CONTRACT_EFFORT=10 pytest tests/contract` tries ten times as many examples, chosen anew; `make
test` takes half of them, `make contract` three times as many.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EFFORT = float(os.environ.get("CONTRACT_EFFORT", "1"))


def effort(examples: int) -> settings:
    """Settings for about `examples` examples at normal effort."""
    return settings(
        max_examples=max(1, int(examples * EFFORT)),
        deadline=None,
        derandomize=EFFORT <= 1,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
