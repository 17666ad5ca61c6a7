"""Settings with types: declared once as a class, filled from files and the environment.

from hipflask.settings import Secret, Settings

class Shop(Settings):
    database_url: str
    stripe_key: Secret
    page_size: Annotated[int, Meta(ge=1, le=500)] = 50

settings = Shop.load(app)
"""

from .loading import Settings as Settings
from .model import Origin as Origin
from .model import Secret as Secret
from .model import SettingsError as SettingsError
from .shown import Shown as Shown
from .shown import shown as shown
