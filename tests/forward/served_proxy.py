"""An application that sends all on to BEHIND; served by the tests in a process of its own."""

from hipflask import Flask
from hipflask.forward import Destination, proxy

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 4 * 2**30
behind = Destination("behind", env="BEHIND", timeout_s=60)
proxy(app, "/<path:rest>", to=behind)
