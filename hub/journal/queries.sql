-- Each block is one statement, named by the line above it.

-- name: read_epoch
SELECT value FROM meta WHERE key = 'epoch';

-- name: write_epoch
INSERT INTO meta (key, value) VALUES ('epoch', ?);

-- name: projects
SELECT id, name, url, path, created, reserved, floor FROM projects JOIN numbers ON project = id ORDER BY created, id;

-- name: live_jobs
SELECT row FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'interrupted') ORDER BY id;

-- name: recent_jobs
SELECT row FROM jobs WHERE project = ? AND state IN ('succeeded', 'failed', 'cancelled', 'interrupted')
ORDER BY json_extract(row, '$.seq') DESC LIMIT ?;

-- name: add_numbers
INSERT INTO numbers (project, reserved) VALUES (?, 0) ON CONFLICT (project) DO UPDATE SET reserved = reserved + 1, floor = reserved + 1, saved = reserved + 1;

-- name: read_numbers
SELECT reserved, floor FROM numbers WHERE project = ?;

-- name: add_project
INSERT INTO projects (id, name, url, path, created) VALUES (?, ?, ?, ?, ?);

-- name: delete_project
DELETE FROM projects WHERE id = ?;

-- name: reserve
UPDATE numbers SET reserved = max(reserved, ?) WHERE project = ?;

-- name: note_lost
INSERT INTO lost (project, after, upto, jobs)
SELECT project, saved, reserved, (
  SELECT json_group_array(json(row)) FROM (
    SELECT row FROM jobs
    WHERE jobs.project = numbers.project AND state NOT IN ('succeeded', 'failed', 'cancelled', 'interrupted')
    UNION ALL
    SELECT row FROM (
      SELECT row FROM jobs
      WHERE jobs.project = numbers.project AND state IN ('succeeded', 'failed', 'cancelled', 'interrupted')
      ORDER BY json_extract(row, '$.seq') DESC LIMIT ?
    )
  )
) FROM numbers WHERE saved < reserved;

-- name: burn_number
UPDATE numbers SET reserved = reserved + 1, saved = reserved + 1 WHERE saved < reserved;

-- name: lost
SELECT after, upto, jobs FROM lost WHERE project = ? ORDER BY after;

-- name: forget_lost
DELETE FROM lost WHERE upto <= (SELECT floor FROM numbers WHERE numbers.project = lost.project);

-- name: save
UPDATE numbers SET saved = max(saved, ?) WHERE project = ?;

-- name: give_back
UPDATE numbers SET reserved = min(reserved, ?) WHERE project = ?;

-- name: add_event
INSERT INTO events (project, seq, at, job, type, wire)
SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?1)
ON CONFLICT DO NOTHING;

-- name: put_job
INSERT INTO jobs (id, project, kind, state, row)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?2)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, row = excluded.row;

-- name: prunable
SELECT id,
  max(
    coalesce((SELECT seq FROM events WHERE project = id ORDER BY seq DESC LIMIT 1 OFFSET ?1), 0),
    coalesce((SELECT max(seq) FROM events WHERE project = id AND at < ?2), 0)
  ) AS upto
FROM projects;

-- name: prune
DELETE FROM events WHERE (project, seq) IN (
  SELECT project, seq FROM events WHERE project = ? AND seq <= ? ORDER BY seq LIMIT ?
);

-- name: forget_jobs
DELETE FROM jobs WHERE id IN (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY project ORDER BY id DESC) AS place, json_extract(row, '$.ended') AS ended
    FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled', 'interrupted')
  )
  WHERE place > ?1 OR (place > ?2 AND ended < ?3) LIMIT ?4
);

-- name: raise_floor
UPDATE numbers SET floor = max(floor, ?) WHERE project = ?;

-- name: forget_keys
DELETE FROM idempotency WHERE at < ?;

-- name: events
SELECT wire FROM events WHERE project = ? AND seq > ? AND seq <= ? AND (?4 IS NULL OR job = ?4) ORDER BY seq LIMIT ?5;

-- name: history
SELECT seq, wire FROM events
WHERE project = ?1 AND (?2 IS NULL OR job = ?2) AND (?3 IS NULL OR type = ?3) AND seq < ?4 ORDER BY seq DESC LIMIT ?5;

-- name: count_history
SELECT count(*) FROM events WHERE project = ?1 AND (?2 IS NULL OR job = ?2) AND (?3 IS NULL OR type = ?3);

-- name: jobs
SELECT id, row FROM jobs
WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR state = ?3) AND id < ?4
ORDER BY id DESC LIMIT ?5;

-- name: count_jobs
SELECT count(*) FROM jobs
WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR state = ?3);

-- name: job
SELECT row FROM jobs WHERE id = ?;

-- name: recall
SELECT fingerprint, job, at FROM idempotency WHERE key = ?;

-- name: remember
INSERT OR REPLACE INTO idempotency (key, fingerprint, job, at) VALUES (?, ?, ?, ?);
