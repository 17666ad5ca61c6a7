"""Install the peers into the environment that runs this: `python benchmarks/peers/install.py`.

One that does not install on this machine does not keep the others out: it is named here, and in
every run, with pip's reason. Exit 1 only if Flask or Falcon, which most figures are about, is
among them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
#: Where a run looks up why a package is missing.
REASONS = Path(sys.prefix) / "not-installed.json"
NEEDED = ("flask", "falcon")
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def install(*words: str) -> str:
    """Run pip; return the last line of its complaint, nothing if it went well."""
    done = subprocess.run([*PIP, *words], capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (lines or done.stderr.splitlines() or ["pip failed"])[0][:300]


def read_requirements() -> list[str]:
    """Return the lines that name something to install."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def main() -> int:
    """Install everything at once, or else one by one; name what does not install."""
    reasons: dict[str, str] = {}
    if install("-r", str(REQUIREMENTS)):
        for line in read_requirements():
            if reason := install(line):
                name = line.partition("==")[0]
                reasons[name] = reason
                print(f"{name} does not install here: {reason}")
    REASONS.write_text(json.dumps(reasons), encoding="utf-8")
    return int(any(name in reasons for name in NEEDED))


if __name__ == "__main__":
    sys.exit(main())
