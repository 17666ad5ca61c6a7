"""Views that answer only so often, by Flask-Limiter."""

from flask import Blueprint, Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address


def create_app():
    app = Flask(__name__)
    limiter = Limiter(
        lambda: request.headers.get("X-Client") or get_remote_address(),
        app=app,
        default_limits=["3 per minute"],
        headers_enabled=True,
        storage_uri="memory://",
    )
    bp = Blueprint("bp", __name__, url_prefix="/bp")

    @app.get("/default")
    def default():
        return "default"

    @app.get("/strict")
    @limiter.limit("1 per minute", error_message="only once")
    def strict():
        return "strict"

    @app.get("/free")
    @limiter.exempt
    def free():
        return "free"

    @app.route("/posts", methods=["GET", "POST"])
    @limiter.limit("1 per minute", methods=["POST"])
    def posts():
        return request.method

    @bp.get("/a")
    def a():
        return "a"

    @app.errorhandler(429)
    def too_many(error):
        return {"too_many": str(error.description)}, 429

    limiter.limit("2 per minute")(bp)
    app.register_blueprint(bp)
    return app
