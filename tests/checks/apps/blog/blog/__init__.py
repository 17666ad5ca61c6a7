"""Plain Flask: a factory, blueprints, templates, a session."""

import os

from flask import Flask


def create_app():
    app = Flask(__name__, instance_relative_config=True)
    # C01: committed.
    app.config.from_mapping(
        SECRET_KEY="0f9b1d7c35e84a62b8d4f6a1c3e5079bd2468ace13579bdf",
        DATABASE=os.path.join(app.root_path, "blog.sqlite"),
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    try:
        os.makedirs(app.instance_path)
    except OSError:
        pass
    from . import posts

    app.register_blueprint(posts.bp)
    return app
