"""What stands before an application's views, and around its answers.

    from hipflask.guards import protect

    protect(app)

puts all guards there; each is to be had alone, too. Their values are in the configuration:
docs/lookup/limits.md.
"""

from .bodies import limit_body as limit_body
from .cors import cors as cors
from .headers import csp_nonce as csp_nonce
from .headers import secure_headers as secure_headers
from .heads import limit_heads as limit_heads
from .inflating import inflates_body as inflates_body
from .inflating import refuse_encoded as refuse_encoded
from .origins import guard_origins as guard_origins
from .origins import takes_any_origin as takes_any_origin
from .protecting import protect as protect
from .proxies import trust_proxies as trust_proxies
from .rates import limit_rates as limit_rates
from .rates import rate_limit as rate_limit
