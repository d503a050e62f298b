-- Statements of diff.c: rows that no trigger saw. {{holes}} are filled per table.

-- name: diff_is_due
-- Was what all tables' triggers share silenced, or not what it should be? Then no table's own triggers tell what they missed.
SELECT EXISTS (SELECT 1 FROM main.leadx_applying) OR EXISTS (SELECT 1 FROM main.leadx_settings WHERE key = 'catch_up')

-- name: diff_is_done
DELETE FROM main.leadx_settings WHERE key = 'catch_up'

-- name: diff_note_rows
-- Every row that is there when tracking begins is known, though the server has not confirmed it.
INSERT INTO main.leadx_shadow(entity, key) SELECT {{entity}}, {{key}} FROM main.{{table}} WHERE true ON CONFLICT DO NOTHING

-- name: diff_backfill
-- Queues every row that the server is not known to have and that is not queued yet.
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload)
SELECT {{id}}, {{entity}}, {{key}}, 'CREATE', {{row}}
FROM main.{{table}}, ({{clock}}) leadx_clock
WHERE {{key}} NOT IN (SELECT key FROM main.leadx_shadow WHERE entity = {{entity}} {{known}})
  AND {{key}} NOT IN (SELECT entity_id FROM main.sync_queue WHERE entity_type = {{entity}} AND status IS NOT 'SYNCED')

-- name: diff_deleted
-- Known or queued rows that are not in the table any more although no trigger saw them go (REPLACE).
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload)
SELECT {{id}}, {{entity}}, k.key, 'DELETE', '{}'
FROM (SELECT key FROM main.leadx_shadow WHERE entity = {{entity}} AND gone IS NULL
      UNION SELECT entity_id FROM main.sync_queue
      WHERE entity_type = {{entity}} AND rowid > (SELECT rowid_below FROM main.leadx_mark) AND status IS NOT 'SYNCED') k, ({{clock}}) leadx_clock
WHERE k.key NOT IN (SELECT {{key}} FROM main.{{table}})
  AND ifnull((SELECT q.action FROM main.sync_queue q
              WHERE q.entity_type = {{entity}} AND q.entity_id = k.key AND q.status IS NOT 'SYNCED'
                AND q.rowid > (SELECT rowid_below FROM main.leadx_mark)
              ORDER BY q.rowid DESC LIMIT 1), '') <> 'DELETE'

-- name: diff_forget_absent
DELETE FROM main.leadx_shadow WHERE entity = {{entity}} AND gone IS NULL AND key NOT IN (SELECT {{key}} FROM main.{{table}})
