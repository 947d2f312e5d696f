"""The head of an answer as bytes: the same few heads go out again and again, so they are made once.

What differs from answer to answer, its length and the date, is not in it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from starlette.responses import Response

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_KEPT = 256  # heads; those of commands name places, and are not asked for again


class ResponseHead(NamedTuple):
    """Status line and fields, each line with its end; another one with the length, and the empty one, are to follow."""

    lines: bytes
    length: bytes  # the line of Content-Length, empty where there is none
    closes: bool  # whether the connection is to end with this answer: that is not among the lines


def head_of(response: Response) -> ResponseHead:
    """Return the head of an answer; ValueError where a control character in it could end its line."""
    length, fields = b"", []
    for field in response.raw_headers:
        if field[0] == b"content-length":
            length = _line(*field)
        else:
            fields.append(field)
    lines, closes = _made(response.status_code, tuple(fields))
    return ResponseHead(lines, length, closes)


@lru_cache(_KEPT)
def _made(status: int, fields: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, bool]:
    lines = [b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())]
    lines += [_line(name, value) for name, value in fields if name != b"connection"]
    return b"".join(lines), any(name == b"connection" for name, _ in fields)  # ours say "close", and nothing else


def _line(name: bytes, value: bytes) -> bytes:
    if _CONTROL.search(value):
        raise ValueError("a header field of the answer has a control character")
    return b"%s: %s\r\n" % (name, value)
