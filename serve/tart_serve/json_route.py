"""Routes that take a JSON body, and only well-formed JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

from tart_serve.refusal import Refusal


class JsonRequest(Request):
    """A request whose body is JSON as RFC 8259 has it: UTF-8, and no NaN."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            Refusal: It is not JSON (400).
        """
        return parse_json(await self.body())


class JsonRoute(APIRoute):
    """A route for `JsonRequest`. Its errors say what is wrong before any field is looked at.

    A body whose fields all have defaults may be left out: give the parameter a default to say so.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler behind the check of the media type."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            json_request = JsonRequest(request.scope, request.receive)
            if self.body_field is not None and (self.body_field.field_info.is_required() or await json_request.body()):
                _check_media_type(request.headers.get("content-type", ""))
                _check_not_empty(await json_request.body())
            return await handler(json_request)

        return handle


def parse_json(body: bytes) -> Any:
    """Reads a JSON text.

    Raises:
        Refusal: It is none (400).
    """
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not UTF-8 (byte {error.start}); send JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise Refusal(400, "the body nests too deeply; wanted a flat JSON object") from error
    except ValueError as error:
        raise Refusal(400, "the body holds a number of too many digits") from error


def _refuse_constant(name: str) -> NoReturn:
    raise Refusal(400, f"the body is not JSON: found {name}, which JSON does not have; send a finite number or null")


def _check_not_empty(body: bytes) -> None:
    if not body.strip():
        raise Refusal(400, "the body is empty; wanted a JSON object")


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not re.fullmatch(r"application/\S+\+json", media_type):
        found = ascii(media_type[:80]) if media_type else "missing"
        raise Refusal(415, f"the Content-Type is {found}; send the header Content-Type: application/json")
