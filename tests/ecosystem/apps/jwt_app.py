"""Tokens in headers and cookies by Flask-JWT-Extended."""

from datetime import timedelta

from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    unset_jwt_cookies,
)


def create_app():
    app = Flask(__name__)
    app.config.update(
        JWT_SECRET_KEY="a secret of at least thirty-two bytes, please",
        JWT_TOKEN_LOCATION=["headers", "cookies"],
        JWT_COOKIE_SECURE=False,
    )
    jwt = JWTManager(app)
    revoked = set()

    @jwt.user_lookup_loader
    def look_up(header, payload):
        return {"name": payload["sub"]} if payload["sub"] != "ghost" else None

    @jwt.token_in_blocklist_loader
    def is_revoked(header, payload):
        return payload["jti"] in revoked

    @app.post("/token")
    def token():
        name = request.json["name"]
        lifetime = timedelta(seconds=request.json.get("seconds", 60))
        return {
            "access": create_access_token(name, expires_delta=lifetime, fresh=True),
            "refresh": create_refresh_token(name),
        }

    @app.post("/refresh")
    @jwt_required(refresh=True)
    def refresh():
        return {"access": create_access_token(get_jwt_identity(), fresh=False)}

    @app.get("/me")
    @jwt_required()
    def me():
        return {"me": current_user["name"]}

    @app.get("/fresh")
    @jwt_required(fresh=True)
    def fresh():
        return {"fresh": True}

    @app.get("/maybe")
    @jwt_required(optional=True)
    def maybe():
        return {"me": get_jwt_identity()}

    @app.post("/revoke")
    @jwt_required()
    def revoke():
        revoked.add(get_jwt()["jti"])
        return "", 204

    @app.post("/cookie")
    def cookie():
        response = jsonify(login=True)
        set_access_cookies(response, create_access_token("cookie"))
        return response

    @app.post("/protected")
    @jwt_required()
    def protected():
        response = jsonify(ok=True)
        unset_jwt_cookies(response)
        return response

    return app
