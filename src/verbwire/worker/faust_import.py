"""Imports Faust, which takes a second, and which only those need who join groups by it."""

from __future__ import annotations

import gc


def import_faust() -> None:
    """Import it now, and see that its private names are what we take them for."""
    from verbwire.engine.faust import app, private_names

    app.__name__  # noqa: B018 (imported for its price, which is paid here)
    private_names.verify()
    gc.freeze()  # what is there now stays: nothing to look through at every collection
