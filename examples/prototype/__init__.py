"""A prototype: can a module of Python's library be found by a sentence about what it does?

    python -m examples.prototype            # the trials: evidence.json
    hipflask --app examples.prototype run   # http://127.0.0.1:5000, for this machine alone

Real data: the docstrings of the library of the Python it runs on. Each function's first sentence
is a question whose answer is known, its module; the rest of the docstrings is what is searched.
Question, measure and the day of the decision stand in `pyproject.toml`. `finding.py` is the
algorithm, `trials.py` tries it, `app.py` lets people try it. What came of it is in `evidence.json`:
what was promised is held against what was found, and the decision is written by

    hipflask promote harden --answer yes --evidence evidence.json --by ada
    hipflask promote discard --answer no --evidence evidence.json --by ada --until 2027-02-01

`tests/test_prototype.py` carries both through, each in a copy of this folder.
"""

from .app import create_app as create_app
