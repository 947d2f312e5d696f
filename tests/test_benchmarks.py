"""What `make bench` makes of figures: medians, ratios within a round, targets; and that a failing case ends nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.__main__ import QUICK, main
from benchmarks.figures import Figure
from benchmarks.load import for_seconds, request, run
from benchmarks.results import Results
from benchmarks.rounds import Round, Setup, beside
from benchmarks.sections import SECTIONS
from benchmarks.worker import answers, free_port, until
from verbwire.embedded import Addresses

BARE, OURS = "bare loop: changelog into a dict", "verbwire restore: changelog into SQLite with its index"


def a_round(number: int, results: Results, folder: Path) -> Round:
    return Round(
        number,
        Setup(Addresses(bootstrap="nowhere:9", registry_url="http://nowhere"), QUICK, folder, None, lambda _: None),
        results,
    )


def measured(folder: Path, *rounds: tuple[int, int]) -> Results:
    """Results of some rounds: records a second of the bare loop and of ours."""
    results = Results()
    for number, (bare, ours) in enumerate(rounds):
        each = a_round(number, results, folder)
        group = each.group("Restore")
        for name, rate in ((BARE, bare), (OURS, ours)):
            each.add(group, Figure(name, rate, 1.0, 0.5))
    return results


def test_benchmarks_compare_within_a_round(tmp_path: Path) -> None:
    results = measured(tmp_path, (100_000, 50_000), (10_000, 5_500), (200_000, 80_000))  # one was disturbed
    group, ours = results.find(OURS) or pytest.fail("not there")
    ratio = group.ratio(ours)
    assert ratio
    assert (ratio.least, ratio.median, ratio.most) == pytest.approx((0.4, 0.5, 0.55))
    assert ours.median().rate == pytest.approx(50_000)


def test_benchmarks_page_says_what_is_reached(tmp_path: Path) -> None:
    def line(ours: int) -> str:
        report.write(tmp_path, "today", {}, measured(tmp_path, (300_000, ours)))
        page = (tmp_path / "today.md").read_text("utf-8")
        return next(each for each in page.splitlines() if OURS in each)

    assert "≥ 200,000/s ✓" in line(200_000)
    assert "≥ 200,000/s ✗" in line(199_999)


def test_benchmarks_page_has_a_plot_of_what_is_reached(tmp_path: Path) -> None:
    _, page, plot = report.write(tmp_path, "today", {}, measured(tmp_path, (300_000, 100_000)))
    assert f"]({plot.name})" in page.read_text("utf-8")
    drawn = plot.read_bytes()
    assert b"<svg" in drawn
    assert report.write(tmp_path, "today", {}, measured(tmp_path, (300_000, 100_000)))[2].read_bytes() == drawn


def test_benchmarks_go_on_when_a_case_fails(tmp_path: Path) -> None:
    results = measured(tmp_path, (2, 1))
    with a_round(1, results, tmp_path).attempt("the case"):
        raise RuntimeError("first line\nit was the broker")
    files = report.write(tmp_path, "today", {}, results)
    assert "the case (round 1): RuntimeError: it was the broker" in files[1].read_text("utf-8")
    assert OURS in files[1].read_text("utf-8")


def test_benchmarks_only_those_sections_that_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "table,nothing"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "'nothing'" in said
    assert all(name in said for name in SECTIONS)


def test_benchmarks_load_asks_so_many_at_once_and_takes_no_refusal(tmp_path: Path) -> None:
    body, port = tmp_path / "body", free_port()
    body.write_bytes(b'{"n": 1}' * 10)
    url = f"http://127.0.0.1:{port}"
    with beside([sys.executable, "-m", "benchmarks.starlette_bare", str(port), str(body)]):
        until(lambda: answers(url, "", "/"))
        good = [request(url, f"GET {each}", "token") for each in ("/a", "/b")]
        taken = asyncio.run(run(url, for_seconds(good, 0.2), connections=4))
        assert len(taken) > 50
        assert sum(taken) > 0.6  # of four times 0.2 seconds: all four were under way all the time
        with pytest.raises(RuntimeError, match="answered"):
            asyncio.run(run(url, iter([*good, request(url, "GET bad target"), *good]), connections=2))
