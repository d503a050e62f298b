-- Statements of apply.c: what the removal of a row does to other rows. ?1 is the queue's last rowid before it.

-- name: apply_is_watched
-- May a trigger of the application change other tracked rows when a row of table ?1 is written? It has one, and the body of
-- one (its own, or of a table in between) names a tracked table. A full-text index of a table named alike only costs time.
SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name NOT LIKE 'leadx\_%' ESCAPE '\')
  AND EXISTS (SELECT 1 FROM main.sqlite_schema s JOIN main.leadx_tables t
                ON instr(substr(lower(s.sql), instr(lower(s.sql), 'begin')), lower(t.table_name))
              WHERE s.type = 'trigger' AND s.name NOT LIKE 'leadx\_%' ESCAPE '\')

-- name: removal_robs
-- Has a row that went along, or was changed, an unsent change of its own (above the mark, or held)?
SELECT EXISTS (
  SELECT 1 FROM main.sync_queue n CROSS JOIN main.sync_queue q
  WHERE n.rowid > ?1 AND q.rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND q.rowid <= ?1 AND q.status IS NOT 'SYNCED'
    AND q.entity_type = n.entity_type AND q.entity_id = n.entity_id
  UNION ALL
  SELECT 1 FROM main.sync_queue n CROSS JOIN main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE n.rowid > ?1 AND q.rowid <= ?1 AND q.status IS NOT 'SYNCED' AND q.entity_type = n.entity_type AND q.entity_id = n.entity_id)

-- name: removal_unqueue
DELETE FROM main.sync_queue WHERE rowid > ?1

-- name: applying_on
INSERT INTO main.leadx_applying(reason) VALUES ('leadx')

-- name: applying_off
DELETE FROM main.leadx_applying
