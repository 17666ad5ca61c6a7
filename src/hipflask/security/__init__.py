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
from .basic import Basic as Basic
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
from .loginpages import add_login as add_login
from .oidc import OIDCLogin as OIDCLogin
from .passwords import hash_password as hash_password
from .passwords import hashed_passwords as hashed_passwords
from .passwords import needs_rehash as needs_rehash
from .passwords import stored_passwords as stored_passwords
from .passwords import verify_password as verify_password
from .proxies import ProxyHeader as ProxyHeader
from .redirects import is_local as is_local
from .redirects import redirect_local as redirect_local
from .redirects import safe_next as safe_next
from .sessionlogin import SessionLogin as SessionLogin
from .sessionlogin import login as login
from .sessionlogin import logout as logout
from .sessionlogin import logout_everywhere as logout_everywhere
from .stances import Stance as Stance
from .stances import allow as allow
from .stances import authenticated as authenticated
from .stances import public as public
from .stances import roles as roles
from .storedkeys import KeyRing as KeyRing
from .storedkeys import stored_keys as stored_keys
from .throttle import Throttle as Throttle
from .tokens import jwt_check as jwt_check
