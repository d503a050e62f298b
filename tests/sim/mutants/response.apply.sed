# The answer to a write goes over a newer local edit.
s/" AND \(\(\?%d AND "/" AND (1 OR (?%d AND "/
