"""How much of a table, a process or a subscriber may be parked."""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.errors import ContractError

_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Parking:
    """Parks records that cannot be handled, each with all later ones of its key, while other keys go on.

    In each partition up to so many `keys` may be parked, with so many `records` in all; one more stops the partition:
    where that many fail it is no matter of single records. Which keys are parked is kept in memory, their records are
    in a topic of the group's own, and where there is one in the local copy.
    """

    keys: int = 100
    records: int = 10_000

    def __post_init__(self) -> None:
        if not 1 <= self.keys <= self.records <= _MOST:
            raise ContractError(
                f"Parking(keys={self.keys}, records={self.records}): one key or more, no fewer records than keys, and "
                f"at most {_MOST:,}; parking=None stops the partition at the first record that cannot be handled"
            )


PARKS_NO_MORE = (
    "parked, and this group does not park any more: let it say parking=Parking() again, retry or skip what is parked "
    "(`verbwire parked list`), and take that away then"
)
"""What is said of what waits still from when a group parked."""

PARKING = Parking()
"""What holds where nothing is said."""
