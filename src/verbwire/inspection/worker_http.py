"""Asks workers over HTTP, with a token of an operator's: what only they know.

A token is shown to verified workers alone, or to the addresses that the settings name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any

import httpx2 as httpx
import msgspec

from verbwire.errors import ConfigurationError, NotAuthorizedError, UnavailableError
from verbwire.inspection.living_workers import heard_now, living_workers
from verbwire.inspection.reading.cluster_view import ClusterView
from verbwire.security.hosts import base_url
from verbwire.security.tls import Authorities, advice_of
from verbwire.tokens import OPERATOR, development_token

_SECONDS = 5.0
_ACTOR = "verbwire-cli"
_TOKEN_SECONDS = 3600.0


class WorkerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker said: its status, its body where that is JSON, its clock, and how long it took (seconds)."""

    status: int
    body: Any
    text: str
    date: str | None
    at: float  # this machine's time, in the middle of question and answer
    took: float


class OperatorHttp:
    """Asks the workers that run. Close it when done."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        settings = view.project.settings
        context = Authorities(settings.tls_ca).context()
        self._http = httpx.Client(verify=context, timeout=_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def urls(self) -> dict[str, str]:
        """Return the addresses of the workers by name; of those that the settings name, by address.

        UnavailableError where none runs, ConfigurationError where none can be told from a stranger.
        """
        named = self._view.project.settings.http_endpoints
        if named:
            return {url: base_url(url, "http_endpoints") for url in named}
        if not self._view.verified:
            raise ConfigurationError(
                "no worker was asked, nothing here tells them from strangers: set http_workers_key "
                "(VERBWIRE_HTTP_WORKERS_KEY) to what `verbwire workers-key` prints where they run"
            )
        found = self._announced
        if not found:
            raise UnavailableError("no worker runs, as far as the directory knows: start one with `verbwire worker`")
        return found

    @cached_property
    def _announced(self) -> dict[str, str]:
        directory = self._view.directory
        living = living_workers(directory, heard_now(directory))
        return {each.worker.name: each.worker.url for each in living if each.worker.url}

    def find(self, path: str) -> Any:
        """Return what the first worker that answers says, None where there is no such thing (404)."""
        return self.ask(path, absent=True)

    def ask(self, path: str, *, absent: bool = False) -> Any:
        """Return what the first worker that answers says; :class:`UnavailableError` where none does.

        What is `absent`, 404, is None where that is an answer.
        """
        failed = ""
        for name, url in self.urls().items():
            try:
                answer = self._get(url, path)
                return None if absent and answer.status == HTTPStatus.NOT_FOUND else _checked(name, answer)
            except NotAuthorizedError:
                raise
            except UnavailableError as error:
                failed = failed or str(error)
        raise UnavailableError(failed)

    def ask_each(self, path: str) -> dict[str, WorkerAnswer | str]:
        """Return what each worker says, by name; text where it did not answer, and why."""
        found: dict[str, WorkerAnswer | str] = {}
        for name, url in self.urls().items():
            try:
                found[name] = self._get(url, path)
            except UnavailableError as error:
                found[name] = str(error)
        return found

    def _get(self, url: str, path: str) -> WorkerAnswer:
        asked = time.time()
        try:
            answer = self._http.get(f"{url}{path}", headers=self._headers())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            advice = advice_of(error) or "can its address, http_advertised_url there, be reached from here?"
            raise UnavailableError(f"the worker at {url} does not answer ({type(error).__name__}): {advice}") from error
        took = time.time() - asked
        body = _json(answer)
        date = answer.headers.get("date")
        return WorkerAnswer(
            status=answer.status_code, body=body, text=answer.text, date=date, at=asked + took / 2, took=took
        )

    def _headers(self) -> Mapping[str, str]:
        settings = self._view.project.settings
        if settings.http_token:
            return {"Authorization": f"Bearer {settings.http_token}"}
        if settings.http_jwks_url:
            raise ConfigurationError(
                "workers take tokens of the identity provider: set http_token (VERBWIRE_HTTP_TOKEN) to one with the "
                f"scope {OPERATOR}"
            )
        return {"Authorization": f"Bearer {development_token(settings, _ACTOR, [OPERATOR], _TOKEN_SECONDS)}"}


def _checked(name: str, answer: WorkerAnswer) -> Any:
    detail = answer.body.get("detail") if isinstance(answer.body, dict) else None
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NotAuthorizedError(
            f"worker {name} does not let us in ({answer.status}): {detail or 'no reason given'}; it wants a token with "
            f"the scope {OPERATOR} (VERBWIRE_HTTP_TOKEN)"
        )
    if answer.status != 200 or answer.body is None:
        raise UnavailableError(f"worker {name} answered {answer.status}: {detail or 'no JSON'}")
    return answer.body


def _json(answer: httpx.Response) -> Any:
    if "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return None
