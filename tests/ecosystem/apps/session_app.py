"""Sessions kept on the server by Flask-Session."""

from cachelib.file import FileSystemCache
from flask import Flask, flash, get_flashed_messages, session
from flask_session import Session


def create_app(folder):
    app = Flask(__name__)
    app.config.update(
        SESSION_TYPE="cachelib",
        SESSION_CACHELIB=FileSystemCache(folder),
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_SAMESITE="Lax",
    )
    Session(app)

    @app.post("/add/<int:n>")
    def add(n):
        session.setdefault("basket", []).append(n)
        session.modified = True
        flash(f"added {n}")
        return session["basket"]

    @app.get("/basket")
    def basket():
        return {"basket": session.get("basket", []), "messages": get_flashed_messages()}

    @app.post("/renew")
    def renew():
        app.session_interface.regenerate(session)
        return "", 204

    @app.post("/clear")
    def clear():
        session.clear()
        return "", 204

    @app.get("/plain")
    def plain():
        return "plain"

    return app
