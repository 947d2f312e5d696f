"""What of an aggregate's states a rebuild exchanges, and how much of it at once."""

from __future__ import annotations

from verbwire.engine.exchange.difference import differences, paged, pieces


def test_a_rebuild_exchanges_what_differs_in_the_order_of_keys() -> None:
    old = [(b"a", b"1"), (b"b", b"1"), (b"d", b"1")]
    new = [(b"b", b"2"), (b"c", b"1"), (b"d", b"1"), (b"e", b"1")]
    found = [(b"a", b"1", None), (b"b", b"1", b"2"), (b"c", None, b"1"), (b"e", None, b"1")]
    assert [*differences(old, new)] == found
    assert [*differences([], new[:1])] == [(b"b", None, b"2")]
    assert [*differences(old[:1], [])] == [(b"a", b"1", None)]
    assert not [*differences(old, old)]


def test_a_rebuild_exchanges_in_pieces_and_the_last_is_known_to_be_it() -> None:
    rows = [*differences([], [(b"%d" % n, b"") for n in range(5)])]
    assert [([each.key for each in piece], last) for piece, last in pieces(rows, 2)] == [
        ([b"0", b"1"], False),
        ([b"2", b"3"], False),
        ([b"4"], True),
    ]
    assert [*pieces([], 2)] == [([], True)]
    assert [last for _, last in pieces(rows[:4], 2)] == [False, True]


def test_a_rebuild_reads_rows_by_pages_of_those_behind_a_key() -> None:
    rows, asked = [(b"%04d" % n, b"x") for n in range(10)], list[bytes]()

    def page(after: bytes, _: int) -> list[tuple[bytes, bytes]]:
        asked.append(after)
        return [each for each in rows if each[0] > after][:4]

    assert [*paged(page)] == rows
    assert asked == [b"", b"0003", b"0007", b"0009"]
