"""A proxy in front of the run's registry that hides some of its paths: what an older or a broken one is like."""

from __future__ import annotations

import http.server
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

_NOT_FOUND = b'{"error_code": 40403, "message": "Schema not found"}'
_JSON = "application/vnd.schemaregistry.v1+json"


class Hiding:
    """The proxy: `url` is where it answers, `hidden` the pattern of the paths that it says are not there."""

    def __init__(self, hidden: str) -> None:
        self.url = ""
        self.hidden = hidden
        self.failing = False  # it answers 503, whatever it is asked
        self.asked: list[str] = []  # paths, in order


@contextmanager
def hiding(registry_url: str, hidden: str) -> Iterator[Hiding]:
    """Run such a proxy until the block ends."""
    proxy = Hiding(hidden)

    class Handler(http.server.BaseHTTPRequestHandler):
        def forward(self) -> None:
            proxy.asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if proxy.failing:
                return self.answer(503, b"{}")
            if re.search(proxy.hidden, self.path):
                return self.answer(404, _NOT_FOUND)
            headers = {"Content-Type": _JSON, "Accept": _JSON}
            request = urllib.request.Request(  # noqa: S310 (the run's own registry)
                registry_url + self.path, body or None, headers, method=self.command
            )
            try:
                with urllib.request.urlopen(request) as answer:  # noqa: S310 (likewise)
                    self.answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    self.answer(error.code, error.read())

        do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 (the names are http.server's)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", _JSON)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
