"""A shelf of books in a database, through Flask-SQLAlchemy."""

from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

db = SQLAlchemy()


class Book(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(unique=True)

    def as_dict(self):
        return {"id": self.id, "title": self.title}


def create_app(url="sqlite://"):
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_RECORD_QUERIES=True)
    db.init_app(app)

    @app.post("/books")
    def add():
        book = Book(title=request.json["title"])
        db.session.add(book)
        db.session.commit()
        return book.as_dict(), 201

    @app.get("/books")
    def books():
        page = db.paginate(db.select(Book).order_by(Book.title), per_page=2)
        return {"total": page.total, "pages": page.pages, "items": [b.as_dict() for b in page]}

    @app.get("/books/<int:n>")
    def book(n):
        return db.get_or_404(Book, n).as_dict()

    @app.post("/abandoned")
    def abandoned():
        db.session.add(Book(title="never committed"))
        db.session.flush()
        return {"flushed": True}

    @app.errorhandler(IntegrityError)
    def conflict(error):
        db.session.rollback()
        return {"error": type(error).__name__}, 409

    with app.app_context():
        db.create_all()
    return app
