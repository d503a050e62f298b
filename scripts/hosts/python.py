import os, sqlite3
db = sqlite3.connect(os.environ["FILE"], isolation_level=None)
db.enable_load_extension(True)
db.load_extension(os.environ["LEADX_SO"])
for sql in open(os.environ["SQL"]):
    row = db.execute(sql).fetchone()
print(row[0])
db.close()
