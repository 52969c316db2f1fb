-- name: add_pack
INSERT INTO packs (name, size, stored) VALUES (:name, :size, :stored) ON CONFLICT (name) DO UPDATE SET size = :size, stored = :stored

-- name: add_chunk
INSERT OR REPLACE INTO chunks (sha, pack, frame_at, frame_len, at, length) VALUES (?, ?, ?, ?, ?, ?)

-- name: has_chunk
SELECT length FROM chunks WHERE sha = ?

-- name: place
SELECT packs.name, frame_at, frame_len, at, length FROM chunks JOIN packs ON packs.id = chunks.pack WHERE sha = ?

-- name: drop_chunks
DELETE FROM chunks WHERE pack = (SELECT id FROM packs WHERE name = ?)

-- name: drop_pack
DELETE FROM packs WHERE name = ?

-- name: compared
SELECT e.path, e.size, e.mtime_ns, e.inode, e.ctime_ns,
  CASE
    WHEN f.path IS NULL THEN 0
    WHEN f.extents IS NOT NULL THEN 2
    ELSE e.size = 0 OR EXISTS (SELECT 1 FROM chunks AS c WHERE c.sha = f.sha)
  END
FROM scan.entries AS e
LEFT JOIN files AS f ON f.path = e.path AND f.size = e.size AND f.mtime_ns = e.mtime_ns AND f.inode = e.inode
  AND f.ctime_ns = e.ctime_ns AND NOT f.racy
WHERE e.path > ? AND e.type = 'file' ORDER BY e.path LIMIT 2000

-- name: extents
SELECT sha, extents, size FROM files WHERE path = ?

-- name: add_file
INSERT OR REPLACE INTO files (path, size, mtime_ns, inode, ctime_ns, racy, sha, extents) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: drop_file
DELETE FROM files WHERE path = ?
