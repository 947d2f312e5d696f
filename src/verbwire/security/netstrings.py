"""Parts of what is signed, each behind its length, so that no two lists of parts are the same bytes.

Source: D. J. Bernstein, "Netstrings" (https://cr.yp.to/proto/netstrings.txt), without the comma behind each.
"""

from __future__ import annotations


def netstrings(*parts: bytes) -> bytes:
    """Return the parts as one."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)
