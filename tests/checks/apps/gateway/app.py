"""Behind a proxy, receives webhooks."""

from hipflask import Flask, request
from hipflask.guards import protect
from hipflask.security import Identity, ProxyHeader, authenticated
from hipflask.webhooks import Hooks, hmac_scheme


class Anybody:
    """Lets in whoever develops."""

    name = "dev"
    for_development = True  # A05

    def identify(self, request):
        return Identity("dev") if request.headers.get("X-Dev") else None

    def challenge(self, error="", description=""):
        return ""

    def scheme(self):
        return self.name, {"type": "http", "scheme": "x-dev"}


app = Flask(__name__)
app.identities = [ProxyHeader(peers=["0.0.0.0/1", "128.0.0.0/1"]), Anybody()]  # A04
protect(app)
app.config["PARTNER_SECRET"] = "from the vault"
hooks = Hooks(app)


@hooks.receive("/partner", scheme=hmac_scheme("partner", header="X-Sig"), secrets="PARTNER_SECRET")
def partner(event):  # A06: a delivery of any age, known by no id
    pass


@app.get("/who", access=authenticated)
def who():
    return {"who": "you"}


@app.before_request
def trace():  # O02
    app.logger.warning("asked with %s", request.headers.get("Authorization"))
