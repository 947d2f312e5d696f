"""Is everything exact? Reads the logs and the local copies, and says what is wrong.

By itself: ``python -m tests.faults.checker BOOTSTRAP REGISTRY PREFIX TABLES-FOLDER [SALES-FILE]`` ends with 1 when
something is. Run it when the workers have stopped and all inputs are dealt with.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.faults.carts_model import Fields, decide, row_after, state_after
from tests.faults.changelogs import FoldStep, Step, check_changelog
from tests.faults.findings import Findings
from tests.faults.stores import check_copies, local_copies
from tests.faults.topics import Entry, Topics


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one command has to lead to."""

    command: Entry
    code: str | None  # of the refusal; None: accepted
    events: list[tuple[str, Fields]]


class Checker:
    """Checks the carts of one prefix on one cluster."""

    def __init__(self, bootstrap: str, registry_url: str, prefix: str) -> None:
        self.topics = Topics(bootstrap, registry_url)
        self.found = Findings()
        self._prefix = prefix

    # -- what is there

    def name(self, rest: str) -> str:
        """Return the name of a topic or group of this prefix."""
        return f"{self._prefix}.{rest}"

    @cached_property
    def commands(self) -> list[Entry]:
        """All commands."""
        return self.topics.read(self.name("shop.carts.commands"))

    @cached_property
    def outcomes(self) -> list[Entry]:
        """The outcome log."""
        return self.topics.read(self.name("shop.carts.outcomes"))

    @cached_property
    def events(self) -> list[Entry]:
        """All events."""
        return self.topics.read(self.name("shop.carts.events"))

    @cached_property
    def states(self) -> list[Entry]:
        """The changelog of the aggregate."""
        return self.topics.read(self.name("shop.carts.aggregate-state-changelog"))

    @cached_property
    def rows(self) -> list[Entry]:
        """The changelog of the table."""
        return self.topics.read(self.name("shop.carts-carts-changelog"))

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """What every command id has to lead to, decided a second time from the commands alone."""
        states: dict[bytes, Fields] = {}
        verdicts: dict[str, Verdict] = {}
        for command in self.commands:
            if command.id in verdicts:
                continue  # the same command, sent again
            code, events = decide(states.get(command.key), command.name, command.fields)
            for name, event in events:
                states[command.key] = state_after(states.get(command.key), name, event)
            verdicts[command.id] = Verdict(command, code, events)
        return verdicts

    # -- what has to hold

    def everything(self, tables: Path) -> Findings:
        """Check the aggregate, the table, the copies below `tables/<worker>` and that nothing is left to do."""
        self.aggregate()
        self.table()
        self.copies("shop.carts.aggregate", "state", tables)
        self.copies("shop.carts", "carts", tables)
        return self.found

    def aggregate(self) -> Findings:
        """One outcome a command, accepted commands' events exactly once and in order, the state their fold."""
        self._check_outcomes()
        self._check_events()
        self._check_order()
        steps: dict[int, list[Step]] = defaultdict(list)
        for verdict in self.verdicts.values():
            at = verdict.command
            steps[at.partition] += [Step(at.offset, at.key, name, event) for name, event in verdict.events]
        check_changelog(self.found, self.states, steps, self.name("shop.carts.commands"), state_after)
        self._check_drained("shop.carts.aggregate", "shop.carts.commands")
        self._no_dead_letters("shop.carts.aggregate")
        return self.found

    def table(self) -> Findings:
        """Every row the fold of the events below the offset that its batch names."""
        return self.folded("shop.carts", self.rows, row_after)

    def folded(self, group: str, rows: list[Entry], after: FoldStep) -> Findings:
        """The same for any group that folds the events of carts."""
        steps: dict[int, list[Step]] = defaultdict(list)
        for event in self.events:
            steps[event.partition].append(Step(event.offset, event.key, event.name, event.fields))
        check_changelog(self.found, rows, steps, self.name("shop.carts.events"), after)
        self._check_drained(group, "shop.carts.events")
        self._no_dead_letters(group)
        return self.found

    def copies(self, group: str, table: str, tables: Path) -> Findings:
        """The local copies below `tables/<worker>`."""
        aggregate = group.endswith(".aggregate")
        name, topic = self.name(group), self.name("shop.carts.commands" if aggregate else "shop.carts.events")
        owners = {partition: tables / worker for partition, (_, worker) in self.topics.committed(name, topic).items()}
        answers: dict[int, dict[str, bytes]] = defaultdict(dict)
        for line in self.outcomes if aggregate else ():
            answers[line.partition][line.fields["command_id"]] = line.value or b""
        check_copies(
            self.found,
            local_copies(tables, name, table),
            self.states if aggregate else self.rows,
            owners,
            answers if aggregate else None,
        )
        return self.found

    # -- the aggregate

    def _check_outcomes(self) -> None:
        lines: dict[str, list[Entry]] = defaultdict(list)
        for line in self.outcomes:
            lines[line.fields["command_id"]].append(line)
        for name, verdict in self.verdicts.items():
            n = len(lines[name])
            self.found.require(n > 0, "outcome-missing", f"command {name} has no outcome")
            self.found.require(n < 2, "outcome-twice", f"command {name} has {n} outcomes")
            for line in lines[name]:
                self._check_outcome(line, verdict)
        for name in lines.keys() - self.verdicts.keys():
            self.found.add("outcome-invented", f"nobody sent command {name}")

    def _check_outcome(self, line: Entry, verdict: Verdict) -> None:
        command, fields = verdict.command, line.fields
        expected = ("ACCEPTED", None) if verdict.code is None else ("REJECTED", verdict.code)
        given = (fields["status"], fields["code"])
        self.found.require(given == expected, "outcome-wrong", f"{command.id}: {given} instead of {expected}")
        at = (line.partition, fields["partition"], fields["offset"], line.key)
        wanted = (command.partition, command.partition, command.offset, command.key)
        self.found.require(at == wanted, "outcome-wrong", f"{command.id}: entered for {at}, the command is {wanted}")
        places = [(each["topic"], each["partition"], each["offset"]) for each in fields["events"]]
        actual = [event.place for event in self._events_of.get(command.id, [])]
        self.found.require(places == actual, "outcome-wrong", f"{command.id}: events at {actual}, it says {places}")

    @cached_property
    def _events_of(self) -> dict[str, list[Entry]]:
        events: dict[str, list[Entry]] = defaultdict(list)
        for event in self.events:
            events[event.id.rpartition(":")[0]].append(event)
        return events

    def _check_events(self) -> None:
        for name, verdict in self.verdicts.items():
            expected = {f"{name}:{n}": content for n, content in enumerate(verdict.events)}
            counts = Counter(event.id for event in self._events_of.get(name, []))
            for event_id, n in counts.items():
                self.found.require(n < 2, "event-twice", f"event {event_id} stands in the log {n} times")
                self.found.require(event_id in expected, "event-invented", f"event {event_id} comes from nothing")
            for event_id in expected.keys() - counts.keys():
                self.found.add("event-missing", f"accepted, but there is no event {event_id}")
            for event in self._events_of.get(name, []):
                right = expected.get(event.id) in (None, (event.name, event.fields))
                self.found.require(right, "event-wrong", f"event {event.id} says {event.fields}")
        for name in self._events_of.keys() - self.verdicts.keys():
            self.found.add("event-invented", f"events of {name}, a command that nobody sent")

    def _check_order(self) -> None:
        wanted: dict[tuple[int, bytes], list[str]] = defaultdict(list)
        for name, verdict in self.verdicts.items():
            at = (verdict.command.partition, verdict.command.key)
            wanted[at] += [f"{name}:{n}" for n in range(len(verdict.events))]
        given: dict[tuple[int, bytes], list[str]] = defaultdict(list)
        for event in self.events:
            given[event.partition, event.key].append(event.id)
        for at, ids in given.items():
            once = list(dict.fromkeys(ids))
            known = [name for name in wanted[at] if name in set(once)]
            self.found.require(
                once == known, "order", f"partition {at[0]}, {at[1]!r}: events not in their commands' order"
            )

    # -- both

    def _check_drained(self, group: str, topic: str) -> None:
        committed = self.topics.committed(self.name(group), self.name(topic))
        for partition, offset in self._last_offsets(topic):
            until = committed.get(partition, (0, ""))[0]
            self.found.require(
                until > offset, "inputs-left", f"{group}: {topic}/{partition} to {until}, last is {offset}"
            )

    def _last_offsets(self, topic: str) -> Iterator[tuple[int, int]]:
        entries = self.commands if topic.endswith(".commands") else self.events
        yield from {entry.partition: entry.offset for entry in entries}.items()

    def _no_dead_letters(self, group: str) -> None:
        for letter in self.topics.read(self.name(f"{group}.dead-letters")):
            reason = letter.headers.get("vw_reason", b"").decode()
            self.found.add("dead-letter", f"{letter.id or letter.place} of {group}: {reason}")


def totals(rows: list[Entry]) -> dict[str, int]:
    """Sum what the last rows of the table of carts hold."""
    last = {entry.key: entry.fields for entry in rows}
    checked_out = sum(row["status"] == "CHECKED_OUT" for row in last.values())
    sums = {name: sum(row[name] for row in last.values()) for name in ("lines", "quantity", "total_pence")}
    return {"carts": len(last), "checked_out": checked_out, **sums}


def main() -> int:
    """Check what the command line names, print what is wrong."""
    bootstrap, registry_url, prefix, tables = sys.argv[1:5]
    checker = Checker(bootstrap, registry_url, prefix)
    checker.everything(Path(tables))
    print(checker.found, totals(checker.rows))
    return 1 if checker.found else 0


if __name__ == "__main__":
    sys.exit(main())
