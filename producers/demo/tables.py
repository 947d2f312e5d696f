"""Reads the tables of one worker over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PAGE = 1000
_SECONDS = 10.0


@dataclass(frozen=True)
class Tables:
    """Asks one worker with an operator's token."""

    host: str
    port: int
    token: str

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def ready(self) -> bool:
        """Whether the worker answers for all that it owns; False as long as nobody listens."""
        try:
            return self._get("/health/ready")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def count(self, table: str) -> int | None:
        """Return how many rows a table has, None while the worker cannot tell."""
        try:
            status, answer = self._get("/tables")
        except (OSError, http.client.HTTPException):
            return None
        if status != http.client.OK:
            return None
        return next((each["rows"] for each in answer["tables"] if each["name"] == table), None)

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield every row, page by page; raises `ConnectionError` when the worker does not have all of them."""
        path: str | None = f"/tables/{table}?page_size={PAGE}"
        while path:
            status, answer = self._get(path)
            if status != http.client.OK or not answer["complete"]:
                raise ConnectionError(f"{self.url}{path} answered {status}: {answer.get('detail', 'not all rows')}")
            yield from answer["rows"]
            path = answer["next"]

    def _get(self, path: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()
