-- Publishers' own ids do not sort by time. These are in `row`, too; here they can be looked for without reading it.
ALTER TABLE jobs ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN ended INTEGER;
UPDATE jobs SET created = json_extract(row, '$.created'), seq = json_extract(row, '$.seq'), ended = json_extract(row, '$.ended');
DROP INDEX jobs_by_project;
CREATE INDEX jobs_by_time ON jobs (created, id);
CREATE INDEX jobs_by_project ON jobs (project, created, id);
DROP INDEX jobs_by_kind;
CREATE INDEX jobs_by_kind ON jobs (project, kind, created, id);

-- A job that has not ended is written several times a second, and costs nothing here.
CREATE INDEX jobs_by_end ON jobs (project, seq, id, ended) WHERE ended IS NOT NULL;
