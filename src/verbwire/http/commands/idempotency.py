"""Derives a command's id from the client's ``Idempotency-Key``, its principal and its contract.

The receiver remembers outcomes by id. Bare, a key that another principal has chosen would bring theirs, and the key
of one command that of another with the same fields. So the id is ``<scope>:<key>``, where the scope is a hash of the
actor and the command's full name: no client can make an id of another's scope, and the log shows the key legibly.
"""

from __future__ import annotations

import hashlib
import re

from verbwire.contracts.schema.model import Contract
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem

HEADER = "Idempotency-Key"
KEY = r"^[!#-\[\]-~]{1,128}$"  # printable ASCII without spaces, quotes and backslashes
_KEY = re.compile(KEY)
_SCOPE_BYTES = 12


def command_id(actor: str, contract: Contract, key: str | None) -> str | None:
    """Return the id that a key stands for, None without one; 400 for what cannot be a key.

    The quotes of draft-ietf-httpapi-idempotency-key-header, where the key is a string of RFC 8941, may be there or not.
    """
    if key is None:
        return None
    bare = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare):
        detail = f"{HEADER} is 1 to 128 printable ASCII characters without spaces, quotes and backslashes"
        raise HttpProblem(problem_types.BAD_IDEMPOTENCY_KEY, detail)
    scope = hashlib.blake2b(f"{contract.name}\n{actor}".encode(), digest_size=_SCOPE_BYTES).hexdigest()
    return f"{scope}:{bare}"
