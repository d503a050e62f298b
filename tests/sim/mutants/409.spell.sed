# With 409.settle.sed: a CREATE that was there already is refused, and that is final.
s/resolution=ignore-duplicates,//
