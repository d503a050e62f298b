const db = require("better-sqlite3")(process.env.FILE);
db.loadExtension(process.env.LEADX_SO);
let row;
for (const sql of require("fs").readFileSync(process.env.SQL, "utf8").trim().split("\n")) {
  const stmt = db.prepare(sql);
  row = stmt.reader ? stmt.pluck().get() : stmt.run();
}
console.log(row);
db.close();
