import ctypes, os, sqlite3  # a Python that was built without enable_load_extension
library = [line.split()[-1] for line in open("/proc/self/maps") if "libsqlite3" in line][0]
leadx = ctypes.CDLL(os.environ["LEADX_SO"])
assert ctypes.CDLL(library).sqlite3_auto_extension(leadx.sqlite3_leadx_init) == 0
db = sqlite3.connect(os.environ["FILE"], isolation_level=None)
for sql in open(os.environ["SQL"]):
    row = db.execute(sql).fetchone()
print(row[0])
db.close()
