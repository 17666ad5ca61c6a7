"""An API that some other origins may call, by Flask-Cors."""

from flask import Blueprint, Flask
from flask_cors import CORS, cross_origin


def create_app():
    app = Flask(__name__)
    app.config["CORS_MAX_AGE"] = 60
    CORS(
        app,
        resources={r"/api/*": {"origins": ["https://good.example", r"https://.*\.dot\.example"]}},
        supports_credentials=True,
        expose_headers=["X-Total"],
    )
    bp = Blueprint("bp", __name__, url_prefix="/bp")
    CORS(bp, origins="https://bp.example")

    @app.route("/api/items", methods=["GET", "PUT"])
    def items():
        return {"items": []}, 200, {"X-Total": "0"}

    @app.get("/api/broken")
    def broken():
        raise ValueError("broken")

    @app.get("/closed")
    def closed():
        return "closed"

    @app.get("/open")
    @cross_origin()
    def opened():
        return "open"

    @bp.get("/")
    def inside():
        return "inside"

    app.register_blueprint(bp)
    return app
