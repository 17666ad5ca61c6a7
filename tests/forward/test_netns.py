"""No call that others choose reaches the inside, in a network where all of it listens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from .netns import CHAINS

pytest.importorskip("httpx2")
UNSHARE = ["unshare", "--net", "--mount", "--fork", "--kill-child"]


def can_unshare() -> bool:
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return os.geteuid() == 0 and not subprocess.run([*UNSHARE, "true"], check=False).returncode


@pytest.mark.skipif(not can_unshare(), reason="needs root, iproute2 and network namespaces")
def test_no_spelling_no_redirect_and_no_resolver_leads_inside():
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "tests.forward.netns"],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The network works: what is public is reached, and without the guard the inside is, too.
    assert found["controls"] == ["200"] * 3
    assert found["unguarded"] == ["200"] * 3 and found["seen"] == 3
    assert len(found["spellings"]) >= 120 and len(CHAINS) == 10
    let_in = {url for url, became in found["spellings"].items() if became != "refused"}
    assert found["hits"] == []
    assert let_in == {"http://shop.example:0/"}  # which is how httpx writes port 80
    assert found["chains"] == ["302"] * 10
    # A name that turns is called while it leads outside, and refused while it does not.
    assert found["turns"].keys() == {"200", "refused"}
