"""What becomes of the fact which code has folded a partition, when this code goes on with it."""

from __future__ import annotations

import logging
from collections import defaultdict

from verbwire.engine.code.facts import CODE_HEADER, CurrentCode, FoldedBy, read_code
from verbwire.engine.state.store import PartitionStore
from verbwire.wire.avro.framing import HEADER_SIZE

log = logging.getLogger(__name__)


class CodeWatch:
    """Refuses partitions that are newer than the code of a group, and reports where other code has folded before."""

    def __init__(self, group: str, code: CurrentCode) -> None:
        self._group = group
        self._code = code
        self._others: dict[str, list[int]] = defaultdict(
            list
        )  # in which parts it was other code, and what that means -> partitions
        self._told: set[str] = set()  # of those parts

    def go_on(self, partition: int, store: PartitionStore, reached: dict[str, int]) -> FoldedBy:
        """Return the fact that this code goes on with; NewerSchemaError where the rows are newer than it."""
        before = read_code(store.facts().get(CODE_HEADER))
        if before is None:  # a log of before there were such facts
            for head in store.beginnings(HEADER_SIZE):
                self._code.versions.require_not_newer(head)
        after = self._code.follows(before, reached)
        if self._code.by is not None:
            for change in after.changes if self._code.by.lasting else after.news(before):
                self._others[f"({change.what}): {self._code.by.meaning}"].append(partition)
        return after

    def log_changes(self) -> None:
        """Log which partitions contain rows of an earlier handler version; each change once."""
        for what, partitions in self._others.items():
            if what not in self._told:
                self._told.add(what)
                log.warning(
                    "%s: partition %s contains rows computed by an earlier handler version %s. GET /tables and "
                    "`verbwire check --deployed` show up to which offsets",
                    self._group,
                    ", ".join(map(str, partitions)),
                    what,
                )
        self._others.clear()
