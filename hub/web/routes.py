"""The URL table."""

from aiohttp import web

from hub.surfaces import SURFACES
from hub.web import commits, events, history, jobs, metrics, operations, page, projects, search

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
    web.post(f"{API}/projects/{{project}}/jobs", jobs.start),
    web.get(f"{API}/projects/{{project}}/events", events.project_events),
    web.get(f"{API}/projects/{{project}}/history", history.history),
    web.get(f"{API}/projects/{{project}}/commits", commits.list_),
    web.get(f"{API}/projects/{{project}}/links", commits.links),
    web.get(f"{API}/sessions", commits.sessions),
    web.post(f"{API}/sessions", commits.add_sessions),
    web.post(f"{API}/sync", commits.sync),
    web.get(f"{API}/search", search.search),
    web.get(f"{API}/projects/{{project}}/index", search.index),
    web.get(f"{API}/events", events.all_events),
    web.get(f"{API}/jobs", jobs.list_),
    web.get(f"{API}/jobs/{{job}}", jobs.read),
    web.post(f"{API}/jobs/{{job}}/cancel", jobs.cancel),
    web.post(f"{API}/jobs/{{job}}/pause", jobs.pause),
    web.post(f"{API}/jobs/{{job}}/resume", jobs.resume),
    web.post(f"{API}/jobs/{{job}}/retry", jobs.retry),
    *(route for surface in SURFACES for route in surface.routes),
)
