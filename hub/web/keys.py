"""Everything kept on the application, typed."""

from aiohttp import web

from hub.web.assembly import Hub

HUB = web.AppKey("HUB", Hub)
