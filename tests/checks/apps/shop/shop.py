"""Plain Flask: an API with an extension."""

from flask import Flask, jsonify
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config.update(
    SQLALCHEMY_DATABASE_URI="sqlite:///shop.db",
    MAX_CONTENT_LENGTH=1_000_000,
    PROPAGATE_EXCEPTIONS=True,  # C03
)
db = SQLAlchemy(app)  # L02: nobody allowed it; D01: no migration


class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String, unique=True)


with app.app_context():
    db.create_all()


@app.route("/orders")
def orders():
    return jsonify([one.text for one in Order.query.all()])
