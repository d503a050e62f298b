-- Statements of unique.c: the UNIQUE indices of a table.

-- name: unique_indices
-- The indexes by which REPLACE can remove another row than that of the same key, with their columns in order; "all" says that
-- their columns do not tell which columns an UPDATE of it names.
SELECT l.seq, s.sql, l.partial, x.cid, x.name, x.coll, ifnull(t.hidden, 1) AS "all"
FROM pragma_index_list(?1, 'main') l JOIN pragma_index_xinfo(l.name, 'main') x
  LEFT JOIN main.sqlite_schema s ON s.type = 'index' AND s.name = l.name
  LEFT JOIN pragma_table_xinfo(?1, 'main') t ON t.cid = x.cid
WHERE l."unique" AND x.key
  AND (l.origin <> 'pk' OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name, 'main') y WHERE y.key AND y.coll <> 'BINARY'))
ORDER BY l.seq, x.seqno
