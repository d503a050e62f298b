# The ack takes every queue row of the key, also one that came while the request was on its way.
s/(SET status = 'SYNCED', synced_at = \?2, error_message = \?3, error_code = \?4, next_try_at = NULL) WHERE id = \?1"/\1 WHERE entity_id = (SELECT entity_id FROM main.sync_queue WHERE id = ?1)"/
