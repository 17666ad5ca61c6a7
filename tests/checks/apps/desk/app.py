"""MethodViews, pages, a login with a cookie."""

from services.tickets import listed

from hipflask import Flask, Response, request
from hipflask.checks import reads_body
from hipflask.security import SessionLogin, authenticated, public
from hipflask.views import MethodView

app = Flask(__name__)
app.config.update(SECRET_KEY=None, HIPFLASK_PAGES=3)  # no key: C04 has nothing to say
app.secret_key = bytes(range(40))  # C04: the cookie is not Secure
app.identities = [SessionLogin()]


class Tickets(MethodView):
    access = authenticated

    def get(self):
        return Response("<h1>tickets</h1>")

    @reads_body("none")
    def post(self):  # A03: no origin guard
        return Response(listed())


app.add_url_rule("/tickets", view_func=Tickets.as_view("tickets"))


@app.get("/", access=public)
def index():  # C05: a page without headers
    return "<h1>desk</h1>"


@app.get("/reports", access=authenticated)
def reports():
    return "secret figures"


@app.before_request
def cached():  # A02: answers before anybody is asked who they are
    if request.path == "/reports":
        return "secret figures, from a cache"
    return None
