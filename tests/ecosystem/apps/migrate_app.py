"""Tables made by Flask-Migrate's commands, not by create_all."""

from flask import Flask, request
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Note(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String(80), nullable=False)


def create_app(url, directory):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    Migrate(app, db, directory=directory)

    @app.route("/notes", methods=["GET", "POST"])
    def notes():
        if request.method == "POST":
            db.session.add(Note(text=request.form["text"]))
            db.session.commit()
        return [note.text for note in db.session.scalars(db.select(Note))]

    return app
