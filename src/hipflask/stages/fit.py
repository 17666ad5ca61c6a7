"""`hipflask fit`: what to do about a need, before there is code. Ten answers, one sheet.

Each line of the sheet says why: an answer, and the limit it was held against. Limits can be
edited; there is no score, as what decides is one reason and not a sum.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

Kind = Literal["api", "tool", "webhook", "job", "site", "experiment"]


class Answers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ten answers; what each asks is in `QUESTIONS`."""

    need: str
    kind: Kind
    exists: Literal["yes", "partly", "no"]
    hours: float
    peak: float
    pages: int
    data: Literal["synthetic", "internal", "personal", "regulated"]
    away: Literal["nothing", "waiting", "money", "harm"]
    stack: Literal["hipflask", "flask", "django", "fastapi", "other", "none"]
    keepers: int


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What answers are held against; edit them in `[limits]` of the answers' file."""

    #: Hours of work by hand a week, below which a program does not pay for itself.
    hours: float = 2
    #: Pages for the public, above which Django's admin, forms and users are worth their weight.
    pages: int = 30
    #: Requests a second at the peak, above which one measures before one chooses.
    peak: float = 1000
    #: People who will keep it going, at least.
    keepers: int = 2


QUESTIONS: dict[str, str] = {
    "need": "What is needed, in a sentence?",
    "kind": "What is it, mostly: a JSON api, a tool for colleagues, a receiver of webhooks, a job"
    " that runs by itself, a site for the public, an experiment?",
    "exists": "Does a product that you have or could buy do it?",
    "hours": "How many hours a week do people spend on it by hand today?",
    "peak": "How many requests a second come at the peak?",
    "pages": "How many pages will the public see, with accounts or content that others edit?",
    "data": "What data does it touch?",
    "away": "What does an hour without it cost?",
    "stack": "In what are your other services written?",
    "keepers": "How many people will keep it going, in a year as well?",
}


class Line(msgspec.Struct, frozen=True):
    """One line of the sheet: what, and why."""

    what: str
    because: str


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """The whole sheet; `command` is "" where nothing is to be made."""

    answers: Answers
    limits: Limits
    way: Line
    framework: Line
    risks: list[Line]
    first_step: Line
    command: str


class UnfitAnswers(ValueError):
    """The answers cannot be meant; names the file and the question."""


def read_answers(path: Path) -> tuple[Answers, Limits]:
    """The answers of a TOML or JSON file, with its table `limits`. Raises UnfitAnswers."""
    try:
        text = path.read_text(encoding="utf-8")
        found: Any = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UnfitAnswers(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise UnfitAnswers(f"{path} is neither TOML nor JSON: {error}.") from error
    if not isinstance(found, dict):
        raise UnfitAnswers(f"{path} holds no table of answers.")
    limits = found.pop("limits", {})
    return parse_answers(found, str(path)), _parse(limits, Limits, f"{path}, limits")


def parse_answers(values: Mapping[str, Any], where: str) -> Answers:
    """Answers of plain values, texts among them; UnfitAnswers names `where` and the question."""
    missing = [name for name in QUESTIONS if name not in values]
    if missing:
        raise UnfitAnswers(f"{where}: {missing[0]} is not answered: {QUESTIONS[missing[0]]}")
    made: Answers = _parse(values, Answers, where)
    for name in ("hours", "peak", "pages", "keepers"):
        if getattr(made, name) < 0:
            raise UnfitAnswers(f"{where}: {name} is {getattr(made, name)}, less than nothing.")
    return made


def _parse(values: Any, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at ")
        name = at.strip("`").removeprefix("$.")
        near = (
            f" One of: {', '.join(choices(name))}." if name in QUESTIONS and choices(name) else ""
        )
        raise UnfitAnswers(f"{where}: {name + ': ' if name else ''}{text}.{near}") from None


def choices(name: str) -> tuple[str, ...]:
    """The words that answer a question; none where it is a number or a sentence."""
    kind = next(field.type for field in msgspec.structs.fields(Answers) if field.name == name)
    return tuple(get_args(kind))


def fit(answers: Answers, limits: Limits) -> Sheet:
    """The sheet; the same answers give the same one."""
    way = _way(answers, limits)
    framework = _framework(answers, limits, way)
    template = _template(answers, way, framework)
    return Sheet(
        answers=answers,
        limits=limits,
        way=way,
        framework=framework,
        risks=list(_risks(answers, limits)),
        first_step=_first_step(answers, way),
        command=f"hipflask new {template} {_slug(answers.need)}" if template else "",
    )


def _way(a: Answers, limits: Limits) -> Line:
    if a.exists == "yes":
        return Line("integrate", "a product does it: what is left is to connect it")
    if a.kind == "experiment":
        return Line("start simpler", "it is a question: a prototype answers it for less")
    if a.keepers == 0:
        return Line("start simpler", "nobody would keep it going (keepers 0)")
    if a.kind == "job":
        return Line("automate", "nobody waits for its answer: a program and a timetable are enough")
    if a.kind == "tool" and a.hours < limits.hours:
        told = f"{a.hours:g} hours a week by hand, below the limit of {limits.hours:g}"
        return Line("start simpler", f"{told}: a shared sheet or a saved query costs less")
    if a.exists == "partly":
        return Line("integrate", "a product does a part: build only what lies between")
    return Line("build", "no product does it, and somebody will keep it going")


def _framework(a: Answers, limits: Limits, way: Line) -> Line:
    if way.what == "automate":
        return Line("something else", "a script, with cron, a systemd timer or a CI schedule")
    if a.pages > limits.pages:
        told = f"{a.pages} pages for the public, above the limit of {limits.pages}"
        return Line("Django", f"{told}: its users, forms and admin come with it")
    if a.kind == "site" and a.stack == "django":
        return Line("Django", "it is a site, and your other services are Django's")
    if a.stack == "fastapi" and a.kind == "api":
        return Line(
            "FastAPI", "your other services are: a second framework costs more than it gives"
        )
    if a.peak > limits.peak:
        told = f"{a.peak:g} requests a second, above the limit of {limits.peak:g}"
        return Line("hipflask", f"{told}: measure a first route under that load before you go on")
    if a.stack == "django":
        return Line("hipflask", "small beside your Django; inside it if it needs Django's tables")
    if a.stack == "other":
        return Line("hipflask", "if somebody will keep Python going; otherwise what you know")
    return Line("hipflask", "small, and none of the reasons for another holds")


def _template(a: Answers, way: Line, framework: Line) -> str:
    if framework.what != "hipflask":
        return ""
    if a.kind == "experiment" or way.what == "start simpler":
        return "prototype" if a.kind == "experiment" else ""
    if way.what == "integrate":
        return "tool" if a.kind == "tool" else "webhook"
    return {"tool": "tool", "webhook": "webhook"}.get(a.kind, "api")


def _risks(a: Answers, limits: Limits) -> Iterator[Line]:
    if a.keepers < limits.keepers:
        told = f"{a.keepers} will keep it going, below the limit of {limits.keepers}"
        yield Line("it is orphaned", f"{told}: name a second owner before it has users")
    if a.data in ("personal", "regulated"):
        yield Line(
            "data", f"{a.data} data: made-up data until who may see, keep and delete is written"
        )
    if a.away in ("money", "harm"):
        yield Line("it is away", f"an hour costs {a.away}: a way by hand, alerts, a restore drill")
    if a.exists == "partly":
        yield Line("it grows into the product", "write down what it will not do")
    if a.peak > limits.peak:
        yield Line("load", f"{a.peak:g} a second at the peak, limit {limits.peak:g}")
    if a.kind == "experiment":
        yield Line(
            "it stays", "prototypes with users are rarely thrown away: set the day to decide"
        )
    if a.pages and a.kind in ("api", "webhook"):
        yield Line("two things in one", f"{a.pages} pages beside an {a.kind}: decide which it is")


def _first_step(a: Answers, way: Line) -> Line:
    if way.what == "integrate":
        return Line("send one real event through by hand", "what the product really sends decides")
    if way.what == "automate":
        return Line(
            "write the steps down, then script the first", "what nobody can tell, no job does"
        )
    if a.kind == "experiment":
        return Line(
            "write question, measure and day down", "a trial without a measure proves nothing"
        )
    if way.what == "start simpler":
        return Line("do it by hand for two weeks, and count", "the count says whether to come back")
    if a.data in ("personal", "regulated"):
        return Line("one route, on made-up data", f"{a.data} data waits for the rules")
    return Line("one route, used by one person this week", "who uses it says what the second is")


def _slug(need: str) -> str:
    words = re.findall(r"[a-z][a-z0-9]*", need.lower())
    telling = [word for word in words if len(word) > 3][:2] or words[:1] or ["service"]
    return "-".join(telling)[:40].strip("-")


def as_text(sheet: Sheet) -> str:
    """The sheet for a terminal or a printer."""
    lines = [sheet.answers.need, ""]
    rows = [("way", sheet.way), ("with", sheet.framework), ("first", sheet.first_step)]
    lines += [f"{label:<8}{line.what}: {line.because}" for label, line in rows]
    lines += ["", "risks" if sheet.risks else "risks   none that these answers show"]
    lines += [f"  - {line.what}: {line.because}" for line in sheet.risks]
    lines += ["", f"then    {sheet.command or 'nothing to make with hipflask'}", "", "answers"]
    for name, value in msgspec.structs.asdict(sheet.answers).items():
        limit = getattr(sheet.limits, name, None)
        shown = f"{value:g}" if isinstance(value, float) else value
        held = "" if limit is None else f" (limit {limit:g}, yours to edit)"
        lines.append(f"  {name:<9}{shown}{held}")
    return "\n".join(lines) + "\n"
