"""Who may call a route: stances, identities, and the providers that tell who calls.

from hipflask.security import ApiKey, authenticated, hashed_keys, public, roles

app.identities = [ApiKey(hashed_keys({...}))]
app.access = authenticated
"""

from .access import access_of as access_of
from .access import guard_of as guard_of
from .access import needs_loop as needs_loop
from .access import schemes_of as schemes_of
from .access import security_of as security_of
from .bearer import Bearer as Bearer
from .identity import Access as Access
from .identity import Identity as Identity
from .identity import Refused as Refused
from .identity import current_identity as current_identity
from .identity import current_identity_async as current_identity_async
from .keys import ApiKey as ApiKey
from .keys import hash_key as hash_key
from .keys import hashed_keys as hashed_keys
from .keys import new_key as new_key
from .stances import Stance as Stance
from .stances import allow as allow
from .stances import authenticated as authenticated
from .stances import public as public
from .stances import roles as roles
