"""The one place where an exception becomes a reply."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tart.errors import QueryError
from tart_serve.error_shapes import shape_of
from tart_serve.field_faults import field_faults, summary
from tart_serve.refusal import Refusal

_LOG = logging.getLogger("tart_serve")


def install_error_handlers(app: FastAPI) -> None:
    """Answers every exception in the shape of its route."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(QueryError, _bad_query)
    app.add_exception_handler(Exception, _unexpected)


def error_response(request: Request, refusal: Refusal) -> Response:
    """A refusal in the shape that the clients of this route expect."""
    path, request_id = request.url.path, request.state.request_id
    shape = shape_of(path)
    body = shape.body(refusal, path, request_id)
    response = JSONResponse(body, shape.status(refusal), refusal.headers, shape.media_type)
    response.headers["X-Request-ID"] = request_id
    return response


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Refusal):
        return error_response(request, error)
    assert isinstance(error, HTTPException)
    headers = {"Allow": allowed_methods(request)} if error.status_code == 405 else error.headers
    return error_response(request, Refusal(error.status_code, _words(request, error), headers=headers))


def allowed_methods(request: Request) -> str:
    """The methods of every route at the path of a request; Starlette itself names those of the first."""
    routes: Iterable[APIRoute] = request.app.state.api_routes
    found = (route.methods or () for route in routes if route.path_regex.match(request.url.path))
    return ", ".join(sorted(set[str]().union(*found)))


def _words(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return "no such route; the routes there are stand at /docs"
    if error.status_code == 405:
        return f"this route does not take {request.method}; see /docs"
    return str(error.detail)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = field_faults(error.errors(), error.body)
    return error_response(request, Refusal(422, summary(faults), faults))


async def _bad_query(request: Request, error: Exception) -> Response:
    return error_response(request, Refusal(422, str(error)))


async def _unexpected(request: Request, error: Exception) -> Response:
    """The server logs the trace; the reply says only which request it was."""
    _LOG.error("request %s: unexpected %s on %s", request.state.request_id, type(error).__name__, request.url.path)
    return error_response(
        request, Refusal(500, "something failed inside the service; the operator's log has the request id")
    )
