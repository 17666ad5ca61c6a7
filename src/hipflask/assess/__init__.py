"""`hipflask assess`: what is there, what is missing, and where each figure comes from.

model        lines, gaps and dimensions, as plain data
traffic      what was seen of requests, from an access log or counters
dimensions   facts -> lines and gaps, for ten dimensions
fit          signals beside limits that the team may change
effort       gaps -> a band of days, from the team's own records
paths        harden, replace or stop, side by side
assessing    all of them -> an assessment
showing      an assessment as text and JSON; `sheet` as a page of one printed sheet
"""
