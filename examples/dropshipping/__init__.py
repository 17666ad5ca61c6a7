"""A shop that sells what a supplier keeps in stock: 2,500 products, kept in step by webhooks.

    python -m examples.dropshipping      # a burst, a night, and a report: a minute

The supplier sends a webhook for each change of a product. Some never leave it, some come twice,
some overtake others, as with real suppliers. The shop checks and stores each, and a handler
writes the product if it is newer than what the shop has. At night the shop reads the supplier's
whole list and puts what it missed into its inbox, under the id that the webhook would have had.

The program starts both services, changes at least 2,000 products in one burst, lets the night
come, and compares the shop with the supplier, product by product. It exits with 1 if any is not
in step.

`shapes.py` is what goes between the two, `supplier.py` a stand-in for the supplier, `shop.py` the
shop with its inbox, `nightly.py` the reading of the list, `__main__.py` the program.
"""

from .shop import create_app as create_app
