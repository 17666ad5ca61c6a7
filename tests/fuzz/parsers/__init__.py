"""Every parser of ours under made-up input: nothing but its own refusal may come out of it.

`parser.py` says what a parser is; `http.py`, `typed.py`, `hooks.py`, `texts.py`, `guarding.py` and
`keeping.py` list them, and `listed.py` puts them together. `python -m tests.fuzz.parsers`
(`make fuzz`) runs each for its share of a budget, `python -m tests.fuzz.parsers.growth` counts
how their cost grows.
"""
