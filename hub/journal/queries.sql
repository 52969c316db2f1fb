-- Each block is one statement, named by the line above it.

-- name: read_epoch
SELECT value FROM meta WHERE key = 'epoch';

-- name: write_epoch
INSERT INTO meta (key, value) VALUES ('epoch', ?);

-- name: projects
SELECT id, name, url, path, created, reserved, floor FROM projects JOIN numbers ON project = id ORDER BY created, id;

-- name: live_jobs
SELECT row FROM jobs WHERE ended IS NULL;

-- name: recent_jobs
SELECT row FROM jobs WHERE project = ? AND ended IS NOT NULL ORDER BY seq DESC LIMIT ?;

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
    SELECT row FROM jobs WHERE jobs.project = numbers.project AND ended IS NULL
    UNION ALL
    SELECT row FROM (
      SELECT row FROM jobs WHERE jobs.project = numbers.project AND ended IS NOT NULL ORDER BY seq DESC LIMIT ?
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
INSERT INTO jobs (id, project, kind, state, created, seq, ended, row)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?2)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, seq = excluded.seq, ended = excluded.ended, row = excluded.row;

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
    SELECT id, ended, row_number() OVER (PARTITION BY project ORDER BY seq DESC, id DESC) AS place
    FROM jobs WHERE ended IS NOT NULL
  )
  WHERE place > ?1 OR (place > ?2 AND ended < ?3) LIMIT ?4
);

-- name: raise_floor
UPDATE numbers SET floor = max(floor, ?) WHERE project = ?;

-- name: forget_keys
DELETE FROM idempotency WHERE at < ?;

-- name: events
SELECT wire FROM events WHERE project = ?1 AND seq > ?2 AND seq <= ?3 AND (?4 IS NULL OR job = ?4) ORDER BY seq LIMIT ?5;

-- name: history
SELECT seq, wire FROM events
WHERE project = ?1 AND seq > ?2 AND seq < ?3
  AND (?4 IS NULL OR job = ?4)
  AND (?5 IS NULL OR type IN (SELECT value FROM json_each(?5)))
  AND (?6 IS NULL OR json_extract(wire, '$.level') IN (SELECT value FROM json_each(?6)))
  AND (?7 IS NULL OR json_extract(wire, '$.state') IN (SELECT value FROM json_each(?7)))
  AND (?8 IS NULL OR at >= ?8) AND (?9 IS NULL OR at <= ?9)
  AND (?10 IS NULL OR instr(lower(coalesce(json_extract(wire, '$.message'), json_extract(wire, '$.error.message'), '')), lower(?10)))
ORDER BY seq DESC LIMIT ?11;

-- name: newest_event
SELECT max(seq) FROM events WHERE project = ?;

-- name: jobs
SELECT created, id, row FROM jobs
WHERE (created, id) > (?1, ?2) AND (created, id) < (?3, ?4)
  AND (?5 IS NULL OR project = ?5)
  AND (?6 IS NULL OR kind IN (SELECT value FROM json_each(?6)))
  AND (?7 IS NULL OR state IN (SELECT value FROM json_each(?7)))
  AND (?8 IS NULL OR created >= ?8) AND (?9 IS NULL OR created <= ?9)
ORDER BY created DESC, id DESC LIMIT ?10;

-- name: newest_job
SELECT created, id FROM jobs ORDER BY created DESC, id DESC LIMIT 1;

-- name: job_kinds
SELECT DISTINCT project, kind FROM jobs
WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR kind = ?2) ORDER BY project, kind;

-- name: runs
SELECT state, created, json_extract(row, '$.started'), ended,
  json_extract(row, '$.held_ms'), json_extract(row, '$.held_at'), json_extract(row, '$.resumed'),
  json_extract(row, '$.stages')
FROM jobs
WHERE project = ?1 AND kind = ?2 AND ended >= ?3
ORDER BY ended DESC, id DESC;

-- name: job
SELECT row FROM jobs WHERE id = ?;

-- name: recall
SELECT fingerprint, job, at FROM idempotency WHERE key = ?;

-- name: remember
INSERT OR REPLACE INTO idempotency (key, fingerprint, job, at) VALUES (?, ?, ?, ?);

-- name: project
SELECT id, name, url, path, created FROM projects WHERE id = ?;

-- name: schedules
SELECT row FROM schedules ORDER BY id;

-- name: put_schedule
INSERT INTO schedules (id, project, row)
SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?2)
ON CONFLICT (id) DO UPDATE SET row = excluded.row;

-- name: delete_schedule
DELETE FROM schedules WHERE id = ?;

-- name: webhooks
SELECT row FROM webhooks ORDER BY id;

-- name: put_webhook
INSERT INTO webhooks (id, row) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row;

-- name: change_webhook
UPDATE webhooks SET row = ? WHERE id = ?;

-- name: delete_webhook
DELETE FROM webhooks WHERE id = ?;

-- name: add_delivery
INSERT INTO deliveries (id, webhook, state, attempts, next_at, row, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: has_webhook
SELECT 1 FROM webhooks WHERE id = ?;

-- name: change_delivery
UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, row = ? WHERE id = ?;

-- name: give_up
UPDATE deliveries SET state = 'failed', next_at = NULL, row = json_set(row, '$.state', 'failed', '$.next_at', NULL, '$.error', ?1)
WHERE number IN (
  SELECT number FROM deliveries WHERE webhook = ?2 AND state = 'waiting' ORDER BY number DESC LIMIT -1 OFFSET ?3
);

-- name: forget_older_deliveries
DELETE FROM deliveries WHERE number IN (
  SELECT number FROM deliveries WHERE webhook = ? ORDER BY number DESC LIMIT -1 OFFSET ?
);

-- name: forget_deliveries
DELETE FROM deliveries WHERE number IN (
  SELECT number FROM deliveries WHERE webhook = ? AND state IN ('delivered', 'failed') ORDER BY number DESC LIMIT -1 OFFSET ?
);

-- name: due
SELECT row, payload FROM deliveries
WHERE webhook = ?1 AND state = 'waiting' AND (next_at <= ?2 OR next_at > ?3)
ORDER BY attempts, number LIMIT 1;

-- name: next_delivery
SELECT min(next_at) FROM deliveries WHERE webhook = ? AND state = 'waiting';

-- name: count_waiting
SELECT count(*) FROM deliveries WHERE state = 'waiting';

-- name: deliveries
SELECT number, row, payload FROM deliveries WHERE webhook = ? AND number < ? ORDER BY number DESC LIMIT ?;

-- name: count_deliveries
SELECT count(*) FROM deliveries WHERE webhook = ?;

-- name: succeeded
SELECT row FROM jobs WHERE project = ? AND kind = ? AND state = 'succeeded' AND ended IS NOT NULL
ORDER BY seq DESC LIMIT ?;

-- name: known
SELECT wanted.value, row FROM json_each(?1) AS wanted LEFT JOIN jobs ON jobs.id = wanted.value
WHERE row IS NOT NULL OR EXISTS (SELECT 1 FROM events WHERE events.job = wanted.value);

-- name: add_receipt
INSERT INTO receipts (job, key, project, seq, fingerprint)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM events WHERE project = ?3 AND seq = ?4)
ON CONFLICT DO NOTHING;

-- name: receipts
SELECT receipts.job, receipts.key, project, seq, fingerprint FROM json_each(?1) AS wanted
JOIN receipts ON receipts.job = json_extract(wanted.value, '$[0]') AND receipts.key = json_extract(wanted.value, '$[1]');

-- name: tokens
SELECT row, digest, used, revoked FROM tokens ORDER BY row ->> 'created', id;

-- name: add_token
INSERT INTO tokens (id, digest, row) VALUES (?, ?, ?);

-- name: use_token
UPDATE tokens SET used = max(?1, coalesce(used, 0)) WHERE id = ?2;

-- name: revoke_token
UPDATE tokens SET revoked = ?1 WHERE id = ?2 AND revoked IS NULL;

-- name: forget_revoked
DELETE FROM tokens WHERE id IN (
  SELECT id FROM tokens WHERE revoked IS NOT NULL ORDER BY revoked DESC, id LIMIT -1 OFFSET ?
);

-- name: sign_ins
SELECT digest, token, created, expires FROM sign_ins ORDER BY created, digest;

-- name: sign_in
INSERT INTO sign_ins (digest, token, created, expires)
SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM tokens WHERE id = ?2 AND revoked IS NULL);

-- name: sign_out
DELETE FROM sign_ins WHERE digest = ?;

-- name: sign_out_token
DELETE FROM sign_ins WHERE token = ?;

-- name: forget_sign_ins
DELETE FROM sign_ins WHERE expires <= ?1 OR digest IN (
  SELECT digest FROM sign_ins WHERE token = ?2 ORDER BY created DESC, digest LIMIT -1 OFFSET ?3
);
