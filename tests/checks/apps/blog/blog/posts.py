from flask import Blueprint, make_response, redirect, render_template, request, session, url_for

bp = Blueprint("posts", __name__)


@bp.route("/")
def index():
    answer = make_response(render_template("index.html", name=session.get("name")))
    answer.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


@bp.route("/create", methods=["POST"])
def create():
    session["name"] = request.form["name"]
    return redirect(url_for("posts.index"))
