"""Points in time: as operators write them, and as they read them."""

from __future__ import annotations

import pytest

from verbwire.errors import ConfigurationError
from verbwire.inspection.reading.times import duration_text, milliseconds_of, time_text

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-90s", 1_799_999_910_000),
        ("-1h", 1_799_996_400_000),
        ("2d", 1_799_827_200_000),
        ("-1.5h", 1_799_994_600_000),
        ("2027-01-15T08:00:00Z", 1_800_000_000_000),
        ("2027-01-15T10:00:00.250+02:00", 1_800_000_000_250),
    ],
)
def test_a_time_is_so_long_ago_or_has_its_zone(text: str, expected: int) -> None:
    assert milliseconds_of(text, "--since", lambda: NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2027-01-15T08:00:00", "-1y", "1", "-", "--1h"])
def test_a_time_that_may_mean_two_is_refused_and_says_what_to_write(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--since .* is no time: write how long ago"):
        milliseconds_of(text, "--since")


def test_times_are_told_in_utc_with_milliseconds_and_what_is_no_time_is_not_guessed() -> None:
    assert time_text(1_800_000_000_007) == "2027-01-15T08:00:00.007Z"
    assert time_text(-1) is None  # Kafka's word for a record without one
    assert time_text(10**18) is None


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (4, "4 ms"),
        (-3, "-3 ms"),
        (1_340, "1.3 s"),
        (125_000, "2 min 5 s"),
        (10_860_000, "3 h 1 min"),
        (360_000_000, "4 d 4 h"),
    ],
)
def test_durations_read_as_people_say_them(milliseconds: int, expected: str) -> None:
    assert duration_text(milliseconds) == expected
