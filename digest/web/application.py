"""The FastAPI application, built from an ``App``; nothing is kept in the module."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from digest.app import App
from digest.errors import DigestError
from digest.web.archive import archive_routes
from digest.web.errands import errand_routes
from digest.web.guard import Guard, protect
from digest.web.health import health_routes
from digest.web.links import link_routes
from digest.web.pages import Pages
from digest.web.preferences import preference_routes
from digest.web.reader import reader_routes
from digest.web.signup import signup_routes
from digest.web.unsubscribing import unsubscribing_routes

_log = logging.getLogger(__name__)
_PAGES = {404: "missing", 405: "method", 410: "gone", 413: "large", 429: "often", 503: "away"}


def create_app(app: App) -> FastAPI:
    """Every page and the health check. Endpoints are plain functions: they run in the thread pool, so a slow database
    holds up nobody else."""
    pages = Pages(app.template_folders, app.shared.templates)
    # No redirect to the address with or without a slash: it would be made from the Host header, which anybody writes.
    web = FastAPI(title="digest", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    https = app.settings.base_url.startswith("https://")
    web.add_middleware(Guard, https=https, framers=app.settings.web.embed_origins)
    web.include_router(reader_routes(app, pages))
    web.include_router(unsubscribing_routes(app, pages))
    web.include_router(preference_routes(app, pages))
    web.include_router(errand_routes(app, pages))
    web.include_router(signup_routes(app, pages))
    web.include_router(link_routes(app))
    web.include_router(archive_routes(app, pages))
    web.include_router(health_routes(app))
    _errors(web, pages, https)
    return web


def _errors(web: FastAPI, pages: Pages, https: bool) -> None:
    def problem(request: Request, status: int) -> HTMLResponse:
        language = pages.wished(request.headers.get("accept-language", ""))  # whose page it would be nobody knows
        return pages.page("problem", status=status, locale=language, problem=_PAGES.get(status, "broken"))

    @web.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        response = problem(request, error.status_code)
        response.headers.update(error.headers or {})
        return response

    @web.exception_handler(DigestError)
    def told(request: Request, error: DigestError) -> Response:
        _log.error("%s", error)  # routes say 404 themselves; what comes here is a database out of reach or out of date
        return problem(request, 503)

    @web.exception_handler(Exception)
    def broken(request: Request, _error: Exception) -> Response:
        response = problem(request, 500)
        protect(response.headers, https)  # this answer goes out around the middleware
        return response
