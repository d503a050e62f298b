# Rows that a crash left IN_PROGRESS are nobody's any more.
s/FROM main.leadx_mark\) AND status = 'IN_PROGRESS'"/FROM main.leadx_mark) AND 0"/
s/WHERE status = 'IN_PROGRESS' AND id IN \(SELECT/WHERE 0 AND id IN (SELECT/
s/q\.status IN \('PENDING', 'IN_PROGRESS', 'FAILED'\)/q.status IN ('PENDING', 'FAILED')/
