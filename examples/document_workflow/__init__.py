"""A document's way: uploaded, read, checked against rules, approved, posted, audited.

`reading.py` makes fields of an invoice's text and `rules.py` says what is wrong with them: both
take values and return values. `store.py` keeps documents, suppliers and a stand-in for the books;
`actions.py` is what people do, `app.py` puts it together.
"""
