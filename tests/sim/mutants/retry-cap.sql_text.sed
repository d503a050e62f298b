# Being offline costs a retry like a rejection.
s/"UPDATE main.sync_queue SET status = 'PENDING', sent_at = CASE WHEN \?2/"UPDATE main.sync_queue SET retry_count = retry_count + 1, status = CASE WHEN retry_count < 3 THEN 'PENDING' ELSE 'FAILED' END, sent_at = CASE WHEN ?2/
