from __future__ import annotations

from collections.abc import Iterator

import pytest

from .shop import Shop


@pytest.fixture
def shop(tmp_path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()
