"""What a client that knows of no bounds would write."""

from __future__ import annotations

import copy

from verbwire.wire.avro.messages import Encoder


def without_bounds(encoder: Encoder) -> Encoder:
    """Return an encoder of the same contract that writes whatever fits the types."""
    loose = copy.copy(encoder)
    vars(loose)["_bounds"] = None
    return loose
