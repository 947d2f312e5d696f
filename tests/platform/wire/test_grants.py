"""Grants: what they prove, to whom, for how long, and who can make them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from verbwire.cli import app
from verbwire.client.base.grant_rule import grants_of
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ConfigurationError
from verbwire.messages import Kind
from verbwire.names import Names
from verbwire.principal import NOBODY, Principal
from verbwire.settings import Settings, load_settings
from verbwire.wire.grants.grants import LONGEST_MS, Claim, Key, Presented, Signer, derive, fault, sign
from verbwire.wire.grants.policy import Grants

SECRET, OTHER = "s" * 32, "o" * 32
CLAIM = Claim("shop.orders", "ann", ("orders:read", "orders:write"))
NOW = 1_795_000_000_000
ROOT = Path(__file__).parents[3]


def presented(claim: Claim = CLAIM, expires: int = NOW + 60_000, secret: str = SECRET) -> Presented:
    grant = sign(derive(secret, claim), "c1", b"order-1", b"value", expires)
    return Presented(claim, grant, "c1", b"order-1", b"value", NOW)


def test_a_grant_is_good_for_the_one_command_that_it_was_made_for() -> None:
    good = presented()
    assert fault([SECRET], good) is None
    assert fault([OTHER, SECRET], good) is None, "a secret that is about to be replaced"
    assert fault([SECRET], replace(good, claim=replace(CLAIM, scopes=CLAIM.scopes[::-1]))) is None
    for wrong in (
        replace(good, claim=replace(CLAIM, audience="shop.carts")),
        replace(good, claim=replace(CLAIM, audience="staging.shop.orders")),
        replace(good, claim=replace(CLAIM, actor="bob")),
        replace(good, claim=replace(CLAIM, scopes=(*CLAIM.scopes, "orders:all"))),
        replace(good, claim=replace(CLAIM, scopes=())),
        replace(good, id="c2"),
        replace(good, key=b"order-2"),
        replace(good, value=b"valuf"),
        replace(good, id="c1o", key=b"rder-1"),  # the same bytes in a row
        replace(good, grant=good.grant and good.grant.replace(b"1.1795", b"1.1796")),
        replace(good, grant=good.grant and b"2" + good.grant[1:]),
        *(replace(good, grant=each) for each in (b"", b".", b"1..", b"1.-1.x", b"1." + b"9" * 5000 + b".x", b"\xff")),
    ):
        assert fault([SECRET], wrong) == "false", wrong
    assert fault([OTHER], good) == fault([], good) == "false"
    assert fault([SECRET], replace(good, grant=None)) == "missing"


def test_a_grants_expiry_counts_from_when_kafka_took_the_record() -> None:
    assert fault([SECRET], replace(presented(expires=NOW), timestamp=NOW)) is None
    assert fault([SECRET], replace(presented(expires=NOW), timestamp=NOW + 1)) == "late"
    assert fault([SECRET], presented(expires=NOW + LONGEST_MS)) is None
    assert fault([SECRET], presented(expires=NOW + LONGEST_MS + 1)) == "long-lived"
    assert fault([SECRET], replace(presented(), by_broker=False)) == "unstamped"


def test_a_key_that_was_handed_out_speaks_for_one_actor_with_his_scopes_to_one_receiver() -> None:
    key = Key.of(str(Key(CLAIM, derive(SECRET, CLAIM))))
    signer = Signer(keys=[key])
    name, grant = signer.header(replace(CLAIM, scopes=CLAIM.scopes[::-1]), "c1", b"order-1", b"value")
    now = int(grant.split(b".")[1])
    assert name == "vw_grant"
    assert fault([SECRET], replace(presented(), grant=grant, timestamp=now)) is None
    for wrong in (replace(CLAIM, actor="bob"), replace(CLAIM, audience="shop.carts"), replace(CLAIM, scopes=())):
        with pytest.raises(ConfigurationError, match="no key for it here: set grant_keys"):
            signer.header(wrong, "c1", b"order-1", b"value")
        forged = sign(key.key, "c1", b"order-1", b"value", NOW)
        assert fault([SECRET], replace(presented(), claim=wrong, grant=forged)) == "false"
    text = str(key)
    for broken in ("", "x", text[:-9], text.replace("-1.", "-2."), text + "é"):
        with pytest.raises(ConfigurationError, match="no key") as told:
            Key.of(broken)
        assert text[30:50] not in str(told.value)
    assert str(key.key) not in repr(key) + repr(signer)


def contract(grant: bool, kind: Kind = Kind.COMMAND) -> Contract:
    return Contract("shop.orders.PlaceOrder", kind, ("order_id",), {}, Path(), grant=grant)


@pytest.mark.parametrize(
    ("mode", "by_contract", "signed", "required"),
    [
        ("off", False, False, False),
        ("off", True, True, True),
        ("signed", False, True, False),
        ("signed", True, True, True),
        ("required", False, True, True),
    ],
)
def test_contract_or_project_say_which_commands_carry_grants(
    mode: str, by_contract: bool, signed: bool, required: bool
) -> None:
    grants, names = Grants(mode, lambda: [SECRET]), Names("shop", "staging")
    found = contract(by_contract)
    grantor, check = grants.grantor(found, names), grants.check(found, names)
    assert (grantor is not None, check is not None, grants.required(found)) == (signed, required, required)
    assert grants.grantor(contract(by_contract, Kind.EVENT), names) is None
    if grantor is not None:
        assert grantor.audience == "staging.shop.orders"
        assert [name for name, _ in grantor.headers(Principal("ann"), "c1", b"k", b"v")] == ["vw_grant"]
        assert grantor.headers(NOBODY, "c1", b"k", b"v") == [], "what claims nothing needs no proof"


def test_a_grant_key_that_is_missing_matters_only_where_grants_are_required() -> None:
    names = Names("shop")
    signed = Grants("signed").grantor(contract(False), names)
    assert signed is not None
    assert signed.headers(Principal("ann"), "c1", b"k", b"v") == []
    required = Grants("required").grantor(contract(False), names)
    assert required is not None
    with pytest.raises(ConfigurationError, match=r"grant for ann \(no scopes\).*grant_keys"):
        required.headers(Principal("ann"), "c1", b"k", b"v")
    nowhere = grants_of(Settings(grants="required", bootstrap="kafka:9092"))
    for none in (Grants("required"), nowhere):
        with pytest.raises(ConfigurationError, match="set grant_secrets"):
            none.check(contract(False), names)
        with pytest.raises(ConfigurationError, match="the project requires grants"):
            none.require_secret()
    Grants("signed").require_secret()


def test_the_secret_of_grants_is_derived_from_that_of_the_workers_and_is_not_it() -> None:
    names, found = Names("shop"), contract(False)
    derived = grants_of(Settings(grants="required", http_internal_secret=SECRET)).check(found, names)
    assert derived is not None
    assert derived.secrets[0] != SECRET
    set_ = grants_of(Settings(grants="required", grant_secrets=(OTHER, SECRET))).check(found, names)
    assert set_ is not None
    assert set_.secrets == (OTHER, SECRET)
    with pytest.raises(ConfigurationError, match=r"grants \(VERBWIRE_GRANTS\) is 'on'"):
        Settings(grants="on")
    shown = {name: value for name, value, _ in Settings(grant_secrets=(SECRET,), grant_keys=("k",)).shown()}
    assert (shown["grant_secrets"], shown["grant_keys"]) == ("***", "***")


def test_the_command_line_prints_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("VERBWIRE_GRANT_SECRETS", f"{SECRET} {OTHER}")
    monkeypatch.setenv("VERBWIRE_PREFIX", "staging")
    arguments = ("--actor", "till", "--scope", "orders:write")
    done = CliRunner().invoke(app, ["grant-key", "shop.orders", *arguments])
    claim = Claim("staging.shop.orders", "till", ("orders:write",))
    assert Key.of(done.stdout.strip()) == Key(claim, derive(SECRET, claim))
    assert load_settings(ROOT).grant_secrets == (SECRET, OTHER)
    wrong = CliRunner().invoke(app, ["grant-key", "shop.sales", *arguments])
    assert "no context 'shop.sales' has commands" in str(wrong.exception)


def test_a_contract_says_required_or_nothing(tmp_path: Path) -> None:
    text = (ROOT / "schemas/orders/PlaceOrder.avsc").read_text()
    folder = tmp_path / "schemas/orders"
    folder.mkdir(parents=True)
    for each in (ROOT / "schemas/orders").glob("*.avsc"):
        (folder / each.name).write_text(each.read_text())
    said = '"kind": "command",'
    assert said in text
    (folder / "PlaceOrder.avsc").write_text(text.replace(said, f'{said} "grant": "required",'))
    catalog = load_catalog(tmp_path / "schemas")
    assert (catalog.find("PlaceOrder").grant, catalog.find("CancelOrder").grant) == (True, False)
    (folder / "PlaceOrder.avsc").write_text(text.replace(said, f'{said} "grant": true,'))
    with pytest.raises(Exception, match='write "required"'):
        load_catalog(tmp_path / "schemas")
