"""`python -m hipflask.checks` prints the page docs/lookup/checks.md."""

from .reporting import as_markdown

print(as_markdown(), end="")
