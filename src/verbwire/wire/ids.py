"""Ids that are the same whenever the same thing is done again.

What a handler sends because of a record may be sent twice: after a crash, a retry, a redelivery. With an id that
derives from its cause the second is the same message, and its receiver knows it.
"""

from __future__ import annotations

import hashlib


def derived_id(group: str, cause: str, handler: str = "", position: int = 0) -> str:
    """Return the id of the `position`-th message that a handler of a group sends because of the message `cause`.

    Without a handler: what names the handling of `cause` by the group as a whole. 32 hexadecimal digits, BLAKE2b.
    """
    parts = "\0".join((group, cause, handler, str(position)))
    return hashlib.blake2b(parts.encode(errors="surrogatepass"), digest_size=16).hexdigest()
