# The answer to a write goes over a newer local edit.
s/" AND \(\?%d OR \(\?%d AND "/" AND (1 OR ?%d OR (?%d AND "/
