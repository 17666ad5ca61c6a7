"""A documented pet API by flask-smorest."""

from flask import Flask
from flask.views import MethodView
from flask_smorest import Api, Blueprint, abort
from marshmallow import Schema, fields, validate


class PetSchema(Schema):
    id = fields.Int(dump_only=True)
    name = fields.Str(required=True, validate=validate.Length(1, 10))


class PetQuery(Schema):
    name = fields.Str()


def create_app():
    app = Flask(__name__)
    app.config.update(
        API_TITLE="Pets",
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = Api(app)
    blp = Blueprint("pets", "pets", url_prefix="/pets", description="All pets")
    pets = {}

    @blp.route("/")
    class Pets(MethodView):
        @blp.arguments(PetQuery, location="query")
        @blp.response(200, PetSchema(many=True))
        @blp.paginate()
        def get(self, query, pagination_parameters):
            found = [p for p in pets.values() if query.get("name") in (None, p["name"])]
            pagination_parameters.item_count = len(found)
            first, last = pagination_parameters.first_item, pagination_parameters.last_item
            return found[first : last + 1]

        @blp.arguments(PetSchema)
        @blp.response(201, PetSchema)
        def post(self, pet):
            pet["id"] = len(pets) + 1
            pets[pet["id"]] = pet
            return pet

    @blp.route("/<int:pet_id>")
    class PetById(MethodView):
        @blp.etag
        @blp.response(200, PetSchema)
        def get(self, pet_id):
            if pet_id not in pets:
                abort(404, message="no such pet")
            return pets[pet_id]

        @blp.response(204)
        def delete(self, pet_id):
            pets.pop(pet_id, None)

    api.register_blueprint(blp)
    return app
