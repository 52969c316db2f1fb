CREATE INDEX jobs_by_ended ON jobs (project, kind, ended) WHERE ended IS NOT NULL;
