"""Addresses as they may be shown: a password in one is nobody's business."""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=://)[^/@]*@")


def without_user(address: str) -> str:
    """Return the address with `***` for the name and password before its host."""
    return _USER.sub("***@", address)
