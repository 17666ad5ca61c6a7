"""A members' page behind Flask-Login."""

from flask import Flask, redirect, request, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)

PASSWORDS = {"ada": "lovelace", "bob": "builder"}


class Member(UserMixin):
    def __init__(self, name):
        self.id = name


def create_app():
    app = Flask(__name__)
    app.secret_key = "login"
    manager = LoginManager(app)
    manager.login_view = "login"
    manager.refresh_view = "login"

    @manager.user_loader
    def load(name):
        return Member(name) if name in PASSWORDS else None

    @manager.request_loader
    def load_from_header(request):
        name = request.headers.get("X-Api-User")
        return Member(name) if name in PASSWORDS else None

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "GET":
            return "log in, please"
        name = request.form["name"]
        if PASSWORDS.get(name) != request.form["password"]:
            return "no", 401
        login_user(Member(name), remember="remember" in request.form)
        return redirect(request.args.get("next") or url_for("members"))

    @app.get("/members")
    @login_required
    def members():
        return f"hello {current_user.id}"

    @app.get("/secret")
    @fresh_login_required
    def secret():
        return "fresh"

    @app.get("/who")
    def who():
        return current_user.get_id() or "nobody"

    @app.post("/logout")
    @login_required
    def logout():
        logout_user()
        return "bye"

    return app
