"""Merges the workers' summaries of their tables into one of the project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from verbwire.http.tables.queryable_table import QueryableTable

_SAID = {"behind", "dead_letters"}


def merge_summaries(mine: Iterable[dict[str, Any]], others: Iterable[bytes | None]) -> list[dict[str, Any]]:
    """Return `mine` with what other workers have answered; partitions of one that did not answer are missing.

    ``rows`` counts those of the partitions that are ready, ``dead_letters`` those of the stopped ones too; ``here`` are
    the partitions of the worker that is asked. Of a worker that does not say whether its part has caught up, as older
    ones do not, it is taken for missing.
    """
    summaries = {summary["name"]: {**summary, "here": summary["ready_partitions"]} for summary in mine}
    for body in others:
        for summary in [] if body is None else msgspec.json.decode(body)["tables"]:
            known = summaries.get(summary["name"])
            if known is not None and summary.keys() >= _SAID and _generation(summary) == _generation(known):
                _add(known, summary)
    return list(summaries.values())


def served_summary(table: QueryableTable) -> dict[str, Any]:
    """Return what there is to know of a table; of one with generations, of that which serves, and its number."""
    if table.switch is None:
        return table.summary()
    served = table.switch.table
    return {**served.summary(), "name": table.name, "generation": table.switch.serving}


def _generation(summary: dict[str, Any]) -> int:
    return summary.get("generation") or 0  # older workers know of none


def _add(known: dict[str, Any], more: dict[str, Any]) -> None:
    ready = {*known["ready_partitions"], *more["ready_partitions"]}
    counted = known["rows"] is not None and more["rows"] is not None
    known["ready_partitions"] = sorted(ready)
    known["missing_partitions"] = [each for each in range(known["partitions"]) if each not in ready]
    known["states"] = {**known["states"], **more.get("states", {})}  # not known to older workers
    known["stopped"] = {**known["stopped"], **more["stopped"]}
    known["other_code"] = {**known["other_code"], **more.get("other_code", {})}  # not known to older workers
    known["behind"] = {**known["behind"], **more["behind"]}
    known["complete"] = not (known["missing_partitions"] or known["behind"])
    known["parked"] = {**known.get("parked", {}), **more.get("parked", {})}  # likewise
    known["dead_letters"] += more["dead_letters"]
    known["rows"] = known["rows"] + more["rows"] if counted else None
