"""HTTP answers for a ``requests`` session without any socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3.response import HTTPResponse


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it would have gone out."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any


Script = Callable[[Asked], tuple[int, bytes]]


@dataclass
class ScriptedHttp(BaseAdapter):
    """Gives what ``script`` says, a status and a body, or raises what it raises; ``headers`` stand on every answer."""

    script: Script
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        body = json.loads(request.body) if isinstance(request.body, str | bytes) else None
        headers = {name: str(value) for name, value in request.headers.items()}
        asked = Asked(str(request.method), str(request.url), headers, body)
        self.asked.append(asked)
        status, content = self.script(asked)
        response = requests.Response()
        response.status_code = status
        response.headers.update(self.headers)
        response.raw = HTTPResponse(
            BytesIO(content), headers=self.headers, status=status, preload_content=False, decode_content=False
        )
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing."""
