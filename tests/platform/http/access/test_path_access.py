"""What is open, what a scraper's token may, and tokens from the command line."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from tests.kit.http import SECRET, problem, serving
from tests.kit.market import open_market
from verbwire.cli import app
from verbwire.errors import ConfigurationError
from verbwire.http.operations.openapi import OpenApi
from verbwire.security.tokens import METRICS, mint_token
from verbwire.settings import Settings

CLOSED = ("/metrics", "/openapi.json", "/tables", "/nothing")


@pytest.mark.parametrize(
    ("opened", "paths"),
    [((), ()), (("metrics",), ("/metrics",)), (("metrics", "openapi"), ("/metrics", "/openapi.json"))],
)
def test_open_paths_are_those_of_the_settings_alone(opened: tuple[str, ...], paths: tuple[str, ...]) -> None:
    from tests.kit.http import CATALOG

    with serving(parts=[OpenApi("town", CATALOG)], opened=opened) as http:
        for path in CLOSED:
            answer = http.nobody.get(path)
            assert answer.status_code == (200 if path in paths else 401), path
            problem(http.nobody.get(path, headers={"Authorization": "Bearer x"}), 401, "unauthenticated")


def test_a_scrapers_token_reads_the_metrics_and_nothing_else(tmp_path: Path) -> None:
    with open_market(tmp_path) as market:
        http = market.http.nobody
        scraper = {"Authorization": f"Bearer {mint_token(SECRET, 'prometheus', [METRICS], 365 * 86_400)}"}
        both = {"Authorization": f"Bearer {mint_token(SECRET, 'ann', [METRICS, 'stalls:read', 'stalls:all'])}"}
        assert b"verbwire_http_requests_total" in http.get("/metrics", headers=scraper).content
        assert http.get("/metrics", headers=both).status_code == 200
        for path in ("/tables", "/queries/GetStall?stall_id=07", "/queries/QuotePrice?goods=tea", "/openapi.json"):
            problem(http.get(path, headers=scraper), 403, "forbidden")
        assert http.get("/queries/GetStall?stall_id=07", headers=both).status_code == 200


def test_a_word_that_opens_nothing_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"http_open \(VERBWIRE_HTTP_OPEN\) has 'docs': use metrics and openapi"
    ):
        Settings(http_open=("metrics", "docs"))


def claims_of(*arguments: str) -> dict[str, object]:
    printed = CliRunner().invoke(app, ["token", *arguments], catch_exceptions=False)
    assert printed.exit_code == 0, printed.output
    claims: dict[str, object] = jwt.decode(printed.stdout.strip(), options={"verify_signature": False})
    return claims


def test_a_token_has_the_scopes_that_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.verbwire]\nproject = "town"\n')
    monkeypatch.chdir(tmp_path)
    for name in ("BOOTSTRAP", "REGISTRY", "HTTP_DEVELOPMENT"):
        monkeypatch.delenv(f"VERBWIRE_{name}", raising=False)
    assert claims_of()["scope"] == "", "not an operator's: nobody asked for that"
    assert claims_of("--scope", "a", "--scope", "b", "--actor", "ann")["scope"] == "a b"
    lasting = claims_of("--scope", METRICS, "--days", "365")
    assert lasting["scope"] == METRICS
    assert abs(float(str(lasting["exp"])) - time.time() - 365 * 86_400) < 60
    with pytest.raises(ConfigurationError, match="--minutes and --days"):
        claims_of("--minutes", "5", "--days", "1")
    assert CliRunner().invoke(app, ["token", "--minutes", "0"]).exit_code == 2
