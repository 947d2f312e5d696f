"""``python -m tests.http_problems``: writes docs/http-problems.md, the table of HTTP's problem types."""

from __future__ import annotations

from pathlib import Path

from verbwire.http.base.problem_types import ALL

PAGE = Path(__file__).parents[1] / "docs" / "http-problems.md"
_HEAD = """# Problems over HTTP

Every error is `application/problem+json` (RFC 9457). `code` is for programs, `detail` says what is wrong with this
request. What an aggregate rejects has the codes of its contract, with the status 409. A 503 says in `Retry-After` when
to ask again, unless only an operator can help.

Written by `python -m tests.http_problems` from `src/verbwire/http/base/problem_types.py`.

| status | code | means | what to do |
|---|---|---|---|
"""


def page() -> str:
    """Return the page as the table of problem types has it."""
    return _HEAD + "".join(f"| {each.status} | `{each.code}` | {each.title} | {each.advice} |\n" for each in ALL)


if __name__ == "__main__":
    PAGE.write_text(page())
