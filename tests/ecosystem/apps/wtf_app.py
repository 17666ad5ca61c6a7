"""A guest book behind Flask-WTF: forms, uploads, protection against forged requests."""

from flask import Flask, flash, redirect, render_template_string, url_for
from flask_wtf import CSRFProtect, FlaskForm
from flask_wtf.file import FileAllowed, FileField
from wtforms import IntegerField, StringField
from wtforms.validators import DataRequired, NumberRange

PAGE = """
{% for m in get_flashed_messages() %}<p>{{ m }}</p>{% endfor %}
<form method=post enctype=multipart/form-data>{{ form.csrf_token }}{{ form.name }}{{ form.age }}
{% for field, errors in form.errors.items() %}<li>{{ field }}: {{ errors|join }}{% endfor %}</form>
"""


class GuestForm(FlaskForm):
    name = StringField(validators=[DataRequired()])
    age = IntegerField(validators=[NumberRange(1, 150)])
    picture = FileField(validators=[FileAllowed(["png"], "png only")])


def create_app():
    app = Flask(__name__)
    app.secret_key = "wtf"
    protect = CSRFProtect(app)

    @app.route("/", methods=["GET", "POST"])
    def book():
        form = GuestForm()
        if form.validate_on_submit():
            size = len(form.picture.data.read()) if form.picture.data else 0
            flash(f"{form.name.data} ({form.age.data}) sent {size}")
            return redirect(url_for("book"))
        return render_template_string(PAGE, form=form)

    @app.post("/api")
    def api():
        return {"ok": True}

    @app.post("/hook")
    @protect.exempt
    def hook():
        return {"hook": True}

    @app.get("/token")
    def token():
        return render_template_string("{{ csrf_token() }}")

    return app
