-- Each block is one statement, named by the line above it.

-- name: add_repository
INSERT INTO repositories (folder) VALUES (?) ON CONFLICT DO NOTHING;

-- name: repository
SELECT id, shallow, scanning FROM repositories WHERE folder = ?;

-- name: repository_of_project
SELECT repository, synced FROM projects WHERE project = ?;

-- name: add_folder
INSERT INTO folders (path, repository) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: forget_folders
DELETE FROM folders WHERE repository = ?;

-- name: folders
SELECT path, repository FROM folders;

-- name: repository_folders
SELECT folder, id FROM repositories;

-- name: put_project
INSERT INTO projects (project, repository) VALUES (?, ?)
ON CONFLICT (project) DO UPDATE SET repository = excluded.repository, synced = NULL
WHERE repository <> excluded.repository;

-- name: misplaced_sessions
SELECT id FROM sessions WHERE project = ? AND repository <> ?;

-- name: loosen_session
UPDATE sessions SET repository = NULL, told = told + 1 WHERE id = ?;

-- name: projects
SELECT project, repository FROM projects;

-- name: mark_synced
UPDATE projects SET synced = ? WHERE repository = ?;

-- name: heads
SELECT id FROM heads WHERE repository = ?;

-- name: set_scanning
UPDATE repositories SET scanning = ? WHERE id = ?;

-- name: set_shallow
UPDATE repositories SET shallow = ?, scanning = 0 WHERE id = ?;

-- name: clear_heads
DELETE FROM heads WHERE repository = ?;

-- name: add_head
INSERT INTO heads (repository, id) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: add_commit
INSERT INTO commits
  (repository, id, parents, author_name, author_email, authored, committed, subject, files_total, files)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (repository, id) DO UPDATE
SET gone = 0, parents = excluded.parents, files_total = coalesce(excluded.files_total, files_total),
  files = CASE WHEN excluded.files_total IS NULL THEN files ELSE excluded.files END;

-- name: commit_ids
SELECT id, gone FROM commits WHERE repository = ?;

-- name: gone_ids
SELECT id FROM commits WHERE repository = ? AND gone = 1;

-- name: set_gone
UPDATE commits SET gone = ? WHERE repository = ? AND id = ?;

-- name: stale_sessions_of
UPDATE sessions SET told = told + 1 WHERE repository = ?;

-- name: has_commits
SELECT EXISTS (SELECT 1 FROM commits WHERE repository = ? AND gone = 0);

-- name: forget_project
DELETE FROM projects WHERE project = ?;

-- name: forgotten
SELECT project FROM forgotten;

-- name: keep_forgotten
INSERT INTO forgotten (project) VALUES (?) ON CONFLICT DO NOTHING;

-- name: drop_forgotten
DELETE FROM forgotten WHERE project = ?;

-- name: forget_sessions_of
DELETE FROM sessions WHERE project = ?;

-- name: forget_repositories
DELETE FROM repositories WHERE id NOT IN (SELECT repository FROM projects);

-- name: session
SELECT project, path, author, start, "end" FROM sessions WHERE id = ?;

-- name: put_session
INSERT INTO sessions (id, project, path, author, start, "end") VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET project = excluded.project, path = excluded.path, author = excluded.author, start = excluded.start,
  "end" = excluded."end", told = told + 1,
  repository = CASE WHEN project IS excluded.project AND path IS excluded.path THEN repository END;

-- name: add_event
INSERT INTO session_events (session, type, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: touch_session
UPDATE sessions SET told = told + 1 WHERE id = ?;

-- name: count_events
SELECT count(*) FROM session_events WHERE session = ?;

-- name: session_file
SELECT size, changed, broken, session FROM session_files WHERE path = ?;

-- name: files_of_session
SELECT path FROM session_files WHERE session = ?;

-- name: put_session_file
INSERT INTO session_files (path, size, changed, broken, session) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE
SET size = excluded.size, changed = excluded.changed, broken = excluded.broken, session = excluded.session;

-- name: unplaced_sessions
SELECT id, project, path FROM sessions
WHERE repository IS NULL AND (project IS NOT NULL OR path IS NOT NULL) AND id > ? ORDER BY id LIMIT ?;

-- name: place_session
-- The repository may have been forgotten meanwhile.
UPDATE sessions SET repository = (SELECT id FROM repositories WHERE id = ?), told = told + 1 WHERE id = ?;

-- name: count_sessions
SELECT count(*) FROM sessions WHERE repository = ?;

-- name: newest_commit
SELECT coalesce(max(number), 0) FROM commits;

-- name: correlated
SELECT correlated FROM repositories WHERE id = ?;

-- name: set_correlated
UPDATE repositories SET correlated = max(correlated, ?) WHERE id = ?;

-- name: new_commits
-- The plus has the newest rows looked at, and not the whole index.
SELECT min(authored), max(authored) FROM commits WHERE +repository = ? AND gone = 0 AND number > ?;

-- name: stale_spans
SELECT id, start, "end", author, told, settled FROM sessions
WHERE repository = ?1 AND settled < told AND (start, id) > (?2, ?3) ORDER BY start, id LIMIT ?4;

-- name: settled_spans
SELECT id, start, "end", author, told, settled FROM sessions
WHERE repository = ?1 AND settled = told AND (start, id) > (?2, ?3) ORDER BY start, id LIMIT ?4;

-- name: actions
SELECT at FROM session_events WHERE session = ? AND type = 'commit' ORDER BY at;

-- name: made
SELECT number, authored, author_name, author_email FROM commits
WHERE repository = ?1 AND gone = 0 AND authored BETWEEN ?2 AND ?3 AND number > ?4
ORDER BY authored, number;

-- name: add_link
-- Nothing for a session that was told anew, or forgotten, since it was held against the commits.
INSERT INTO links (session, "commit", tier, rank, first, last, margin, action)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
WHERE EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND told = ?9) AND EXISTS (SELECT 1 FROM commits WHERE number = ?2)
ON CONFLICT DO NOTHING;

-- name: improve_link
UPDATE links SET tier = ?3, rank = ?4, first = ?5, last = ?6, margin = ?7, action = ?8
WHERE session = ?1 AND "commit" = ?2
  AND EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND told = ?9)
  AND (?3, ?4, coalesce(?8, 0), ?5, -?6) < (tier, rank, coalesce(action, 0), first, -last);

-- name: put_near_miss
INSERT INTO near_misses (session, "commit", off, why)
SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND told = ?5) AND EXISTS (SELECT 1 FROM commits WHERE number = ?2)
ON CONFLICT DO NOTHING;

-- name: drop_links
DELETE FROM links WHERE session = ?;

-- name: drop_near_misses
DELETE FROM near_misses WHERE session = ?;

-- name: renew_near_misses
-- Those of a session that another run has settled meanwhile are right already, and may be of newer commits.
DELETE FROM near_misses WHERE session = ?1 AND EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND settled < told);

-- name: settle_session
UPDATE sessions SET settled = told WHERE id = ? AND told = ?;

-- name: list_commits
SELECT number, hex(id), parents, author_name, author_email, authored, committed, subject, files_total, files, gone,
  (SELECT count(*) FROM links WHERE "commit" = commits.number) AS links
FROM commits
WHERE repository = :repository AND gone = :gone
  AND authored BETWEEN :since AND :until AND (authored, number) < (:at, :number)
  AND (:author IS NULL OR author_name LIKE :author ESCAPE '\' OR author_email LIKE :author ESCAPE '\')
  AND (:path IS NULL OR instr(files, :path))
  AND (:text IS NULL OR subject LIKE :text ESCAPE '\' OR hex(id) LIKE :prefix)
  AND (:linked IS NULL OR EXISTS (SELECT 1 FROM links WHERE "commit" = commits.number) = :linked)
ORDER BY authored DESC, number DESC LIMIT :limit;

-- name: total_commits
SELECT count(*) FROM commits
WHERE repository = :repository AND gone = :gone
  AND authored BETWEEN :since AND :until
  AND (:author IS NULL OR author_name LIKE :author ESCAPE '\' OR author_email LIKE :author ESCAPE '\')
  AND (:path IS NULL OR instr(files, :path))
  AND (:text IS NULL OR subject LIKE :text ESCAPE '\' OR hex(id) LIKE :prefix)
  AND (:linked IS NULL OR EXISTS (SELECT 1 FROM links WHERE "commit" = commits.number) = :linked);

-- name: list_links
SELECT c.number, links.number, hex(c.id), c.subject, c.author_name, c.author_email, c.authored, c.gone,
  session, tier, first, last, margin, action
FROM commits c JOIN links ON "commit" = c.number
WHERE repository = :repository AND (:tier IS NULL OR tier = :tier) AND (:session IS NULL OR session = :session)
  AND (c.authored, c.number, links.number) < (:at, :number, :link)
ORDER BY c.authored DESC, c.number DESC, links.number DESC LIMIT :limit;

-- name: total_links
SELECT count(*) FROM commits c JOIN links ON "commit" = c.number
WHERE repository = :repository AND (:tier IS NULL OR tier = :tier) AND (:session IS NULL OR session = :session);

-- name: list_near_misses
SELECT c.number, hex(c.id), c.subject, c.author_name, c.author_email, c.authored, c.gone, m.session, m.off, m.why
FROM near_misses m JOIN commits c ON m."commit" = c.number
WHERE repository = :repository AND (:session IS NULL OR m.session = :session)
  AND NOT EXISTS (SELECT 1 FROM links WHERE "commit" = c.number)
  AND NOT EXISTS (
    SELECT 1 FROM near_misses n WHERE n."commit" = m."commit" AND (n.off, n.session) < (m.off, m.session)
  )
  AND (c.authored, c.number) < (:at, :number)
ORDER BY c.authored DESC, c.number DESC LIMIT :limit;

-- name: total_near_misses
SELECT count(*) FROM near_misses m JOIN commits c ON m."commit" = c.number
WHERE repository = :repository AND (:session IS NULL OR m.session = :session)
  AND NOT EXISTS (SELECT 1 FROM links WHERE "commit" = c.number)
  AND NOT EXISTS (
    SELECT 1 FROM near_misses n WHERE n."commit" = m."commit" AND (n.off, n.session) < (m.off, m.session)
  );

-- name: list_sessions
SELECT id, project, path, author, start, "end", repository,
  (SELECT count(*) FROM session_events WHERE session = id) AS events,
  (SELECT count(*) FROM session_events WHERE session = id AND type = 'commit') AS actions,
  (SELECT count(*) FROM links WHERE session = id) AS links
FROM sessions
WHERE (:project IS NULL OR project = :project OR repository = :repository) AND (start, id) < (:start, :id)
ORDER BY start DESC, id DESC LIMIT :limit;

-- name: total_sessions
SELECT count(*) FROM sessions WHERE :project IS NULL OR project = :project OR repository = :repository;

-- name: counts
SELECT
  (SELECT count(*) FROM commits WHERE repository = :repository AND gone = 0),
  (SELECT count(*) FROM commits JOIN links ON "commit" = commits.number WHERE repository = :repository),
  (SELECT count(*) FROM sessions WHERE repository = :repository);
