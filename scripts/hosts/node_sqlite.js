const { DatabaseSync } = require("node:sqlite");
const db = new DatabaseSync(process.env.FILE, { allowExtension: true });
db.loadExtension(process.env.LEADX_SO);
let row;
for (const sql of require("fs").readFileSync(process.env.SQL, "utf8").trim().split("\n")) {
  row = db.prepare(sql).get();
}
console.log(Object.values(row)[0]);
db.close();
