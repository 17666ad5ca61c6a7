"""`hipflask.api` itself: its public names, most of them loaded when first asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hipflask import api


@pytest.mark.parametrize("name", sorted(api._LATER))
def test_a_public_name_is_there_when_asked_for(name: str) -> None:
    assert getattr(api, name).__name__ == name


def test_no_module_hides_a_public_name() -> None:
    """An imported module becomes its package's attribute, before or over a function's name."""
    modules = {path.stem for path in Path(api.__file__).parent.iterdir()}
    assert (
        modules & {*api._LATER, *(name for name in vars(api) if callable(vars(api)[name]))} == set()
    )


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        api.nothing_of_this_name


def test_importing_the_names_loads_the_marks_alone() -> None:
    code = (
        "import hipflask.api, sys;"
        "print(*sorted(name for name in sys.modules if name.startswith('hipflask.api.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hipflask.api.marks"]
