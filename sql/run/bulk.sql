-- Statements of bulk.c: what a connection is like.

-- name: bulk_cache_size
PRAGMA main.cache_size

-- name: bulk_synchronous
PRAGMA main.synchronous

-- name: bulk_journal_mode
PRAGMA main.journal_mode
