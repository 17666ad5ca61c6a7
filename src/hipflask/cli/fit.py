"""The command `fit`: what to do about a need, before there is code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .openapi import Failed


@click.command("fit", short_help="Ten questions, one sheet: build, integrate, automate, simpler?")
@click.option("--answers", metavar="FILE", help="TOML or JSON instead of questions.")
@click.option("--json", "as_json", is_flag=True, help="The sheet as JSON.")
def fit_command(answers: str | None, as_json: bool) -> None:
    """Ask ten questions and say what to do, with what, and why.

    Each line of the sheet names its reason and the limit it was held against. Limits are yours:
    a table [limits] in the file of answers, with hours, pages, peak, keepers.
    """
    import msgspec  # who runs another command needs neither

    from hipflask.stages.fit import Limits, UnfitAnswers, as_text, fit, parse_answers, read_answers

    try:
        if answers is not None:
            given, limits = read_answers(Path(answers))
        else:
            given, limits = parse_answers(_asked(as_json), "the answers"), Limits()
    except UnfitAnswers as error:
        raise Failed(str(error)) from None
    sheet = fit(given, limits)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(sheet), indent=2, ensure_ascii=False))
    else:
        click.echo(as_text(sheet), nl=False)


def _asked(to_stderr: bool) -> dict[str, Any]:
    from hipflask.stages.fit import QUESTIONS, choices

    numbers: dict[str, Any] = {"hours": float, "peak": float, "pages": int, "keepers": int}
    found = {}
    for number, (name, question) in enumerate(QUESTIONS.items(), 1):
        words = choices(name)
        kind = click.Choice(words) if words else numbers.get(name, str)
        found[name] = click.prompt(f"{number:>2}. {question}", type=kind, err=to_stderr)
    return found
