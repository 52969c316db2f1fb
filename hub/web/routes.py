"""The URL table."""

from aiohttp import web

from hub.surfaces import SURFACES
from hub.web import (
    batch,
    commits,
    events,
    history,
    jobs,
    metrics,
    operations,
    page,
    projects,
    publish,
    schedules,
    search,
    snapshots,
    starts,
    statistics,
    webhooks,
)

API = "/api/v1"

ROUTES: tuple[web.RouteDef, ...] = (
    web.get("/", page.index),
    web.get("/static/{path:.+}", page.static),
    web.get("/healthz", operations.healthz),
    web.get("/readyz", operations.readyz),
    web.get("/metrics", metrics.metrics),
    web.get(f"{API}/watchers", operations.watchers),
    web.get(f"{API}/kinds", operations.kinds),
    web.post(f"{API}/projects", projects.create),
    web.get(f"{API}/projects", projects.list_),
    web.get(f"{API}/projects/{{project}}", projects.read),
    web.delete(f"{API}/projects/{{project}}", projects.delete),
    web.post(f"{API}/projects/{{project}}/jobs", starts.start),
    web.get(f"{API}/projects/{{project}}/events", events.project_events),
    web.post(f"{API}/projects/{{project}}/publish", publish.publish),
    web.get(f"{API}/projects/{{project}}/history", history.history),
    web.post(f"{API}/projects/{{project}}/schedules", schedules.create),
    web.get(f"{API}/projects/{{project}}/schedules", schedules.list_),
    web.get(f"{API}/schedules", schedules.list_),
    *(
        route
        for each in (f"{API}/schedules/{{schedule}}", f"{API}/projects/{{project}}/schedules/{{schedule}}")
        for route in (
            web.get(each, schedules.read),
            web.patch(each, schedules.change),
            web.delete(each, schedules.delete),
            web.post(f"{each}/run", schedules.run),
        )
    ),
    web.post(f"{API}/webhooks", webhooks.create),
    web.get(f"{API}/webhooks", webhooks.list_),
    web.get(f"{API}/webhooks/{{webhook}}", webhooks.read),
    web.patch(f"{API}/webhooks/{{webhook}}", webhooks.change),
    web.delete(f"{API}/webhooks/{{webhook}}", webhooks.delete),
    web.post(f"{API}/webhooks/{{webhook}}/test", webhooks.test),
    web.post(f"{API}/webhooks/{{webhook}}/enable", webhooks.enable),
    web.get(f"{API}/webhooks/{{webhook}}/deliveries", webhooks.deliveries),
    web.get(f"{API}/statistics", statistics.statistics),
    web.get(f"{API}/projects/{{project}}/commits", commits.list_),
    web.get(f"{API}/projects/{{project}}/links", commits.links),
    web.get(f"{API}/sessions", commits.sessions),
    web.post(f"{API}/sessions", commits.add_sessions),
    web.post(f"{API}/sync", commits.sync),
    web.get(f"{API}/search", search.search),
    web.get(f"{API}/projects/{{project}}/index", search.index),
    web.get(f"{API}/projects/{{project}}/snapshots", snapshots.list_),
    web.get(f"{API}/projects/{{project}}/snapshots/{{snapshot}}", snapshots.show),
    web.delete(f"{API}/projects/{{project}}/snapshots/{{snapshot}}", snapshots.delete),
    web.get(f"{API}/projects/{{project}}/snapshots/{{snapshot}}/files", snapshots.files),
    web.get(f"{API}/projects/{{project}}/snapshots/{{snapshot}}/file", snapshots.file),
    web.get(f"{API}/projects/{{project}}/snapshots/{{snapshot}}/archive", snapshots.archive),
    web.get(f"{API}/projects/{{project}}/snapshots/{{snapshot}}/diff/{{other}}", snapshots.diff),
    web.get(f"{API}/events", events.all_events),
    web.get(f"{API}/jobs", jobs.list_),
    web.post(f"{API}/jobs", batch.start),
    web.get(f"{API}/jobs/{{job}}", jobs.read),
    web.post(f"{API}/jobs/{{job}}/cancel", jobs.cancel),
    web.post(f"{API}/jobs/{{job}}/pause", jobs.pause),
    web.post(f"{API}/jobs/{{job}}/resume", jobs.resume),
    web.post(f"{API}/jobs/{{job}}/retry", starts.retry),
    *(route for routes in SURFACES.values() for route in routes),
)
