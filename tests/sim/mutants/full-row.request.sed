# An UPDATE sends the whole row.
s/leadx_change_append_object\(change, 1, body\)/leadx_change_append_object(change, 0, body)/
