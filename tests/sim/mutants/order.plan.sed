# The changes of a row are told in the wrong order.
s/return x->rowid < y->rowid \? -1 : x->rowid > y->rowid;/return x->rowid > y->rowid ? -1 : x->rowid < y->rowid;/
