# An UPDATE sends the whole row.
s/leadx_change_append_object\(change, 1, out\)/leadx_change_append_object(change, 0, out)/
