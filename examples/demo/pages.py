"""The pages: the shelf, the form, and a page that breaks on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hipflask import Blueprint, flash, redirect, render_template, request, session, url_for

from . import shelf

bp = Blueprint("pages", __name__)


def my_loans() -> list[shelf.Loan]:
    """What this visitor has borrowed, according to the session."""
    return shelf.parse_loans(session.get("loans", ()))


def show_shelf(form: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    """Render the page with the form as filled in, and what was wrong with it."""
    loans = {loan.slug: loan for loan in my_loans()}
    return render_template(
        "shelf.html",
        tools=shelf.TOOLS.values(),
        loans=loans,
        form=form,
        wrong=wrong,
        longest_name=shelf.LONGEST_NAME,
        host_url=request.host_url,
    )


@bp.get("/")
def index() -> str:
    chosen = request.args.get("tool", "")
    tool = shelf.TOOLS.get(chosen)
    return show_shelf({"tool": chosen, "days": str(min(7, tool.days) if tool else 2)}, {})


@bp.post("/borrow")
def borrow() -> Any:
    loan, wrong = shelf.parse_loan(request.form, date.today())
    if wrong:
        return show_shelf(request.form, wrong), 422
    try:
        session["loans"] = shelf.dump_loans(shelf.add_loan(my_loans(), loan))
    except ValueError as error:
        return show_shelf(request.form, {"tool": str(error)}), 422
    flash(f"{loan.borrower}, the {loan.tool.name.lower()} is yours until {loan.due}.")
    return redirect(url_for(".index"), 303)


@bp.post("/return")
def give_back() -> Any:
    slug = request.form.get("tool", "")
    loans = my_loans()
    kept = [loan for loan in loans if loan.slug != slug]
    if len(kept) < len(loans):
        session["loans"] = shelf.dump_loans(kept)
        flash(f"Thank you. The {shelf.TOOLS[slug].name.lower()} is back on the shelf.")
    return redirect(url_for(".index"), 303)


@bp.get("/broken")
def broken() -> str:
    raise RuntimeError("this page breaks on purpose, to show what a visitor sees then")
