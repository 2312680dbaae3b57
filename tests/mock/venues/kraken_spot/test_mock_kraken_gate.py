"""Keys, signatures, nonces, lockouts, deadlines."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from mock_kraken_world import DATA, Refused, World, body, request, result

from outlast.mock.keys import Account, KeyRing
from outlast.mock.scenario.model import Limits, Nonce
from outlast.mock.venues.dialect import WireAnswer
from outlast.mock.venues.kraken_spot.figures import rfc3339
from outlast.mock.venues.kraken_spot.gate import Gate, sign

VECTORS = json.loads((DATA / "signing_vectors" / "kraken.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=[v["request"]["target"] for v in VECTORS])
def test_published_signatures_are_accepted(vector):
    asked = vector["request"]
    raw = asked["body"].encode()
    expected = asked["headers"]["API-Sign"]
    assert sign(vector["secret"], asked["target"], str(vector["nonce"]), raw) == expected


def test_a_vector_passes_the_gate_as_it_stands_and_fails_with_one_byte_changed():
    vector = next(v for v in VECTORS if v.get("client", "").startswith("krakenex"))
    asked = vector["request"]
    keys = KeyRing(seed=1, venue="kraken-spot")
    account = Account(name="trader", key=vector["key"], secret=vector["secret"])
    keys._by_key[account.key] = account
    world = World()
    message = request(
        "POST",
        asked["target"],
        body=asked["body"].encode(),
        **{name.lower(): value for name, value in asked["headers"].items()},
    )
    assert Gate().admit(world.routed(message), keys, world.now_ms) is account
    changed = replace(message, body=message.body + b"&x=1")
    answer = world.dialect.authenticate(world.routed(changed), keys, world.now_ms)
    assert isinstance(answer, WireAnswer)
    assert body(answer) == {"error": ["EAPI:Invalid signature"]}


def test_json_and_form_bodies_are_both_signed_as_received():
    world = World()
    raw = b'{ "volume":"0.01","pair":"XBTUSD", "type":"buy","price":55000.0,'
    raw += b'"ordertype":"limit","nonce": 2000000 }'
    message = world.signed("AddOrder", raw, "2000000", content_type="application/json")
    (txid,) = result(world.send(message))["txid"]
    world.nonce = 2_000_000
    assert world.state(txid)["descr"]["order"] == "buy 0.01000000 XBTUSD @ limit 55000.0"


def test_an_unknown_key_and_a_wrong_secret_have_their_own_errors():
    world = World()
    message = world.message("Balance")
    stranger = replace(message, headers={**message.headers, "api-key": ("nobody",)})
    assert body(world.send(stranger)) == {"error": ["EAPI:Invalid key"]}
    forged = world.signed("Balance", b"nonce=5000000", "5000000", secret="QUJD")
    assert body(world.send(forged)) == {"error": ["EAPI:Invalid signature"]}
    assert world.ask("Balance")["ZUSD"] == "100000.0000"


def test_a_nonce_must_be_greater_than_every_one_before_it():
    world = World()
    world.ask("Balance")
    same = world.signed("Balance", f"nonce={world.nonce}".encode(), str(world.nonce))
    assert body(world.send(same)) == {"error": ["EAPI:Invalid nonce"]}
    for text in ("", "-5", "abc", str(2**64), "1.5"):
        message = world.signed("Balance", f"nonce={text}".encode(), text)
        assert body(world.send(message)) == {"error": ["EAPI:Invalid nonce"]}, text
    # Once nanoseconds have been seen, milliseconds are refused for ever.
    world.nonce = 1_790_000_000_000_000_000
    world.ask("Balance")
    world.nonce = 1_790_000_000_000
    assert world.refused("Balance") == "EAPI:Invalid nonce"


def test_a_nonce_window_lets_each_overtaken_nonce_in_once():
    world = World()
    world.keys.limits = Limits(nonce=Nonce(window=10, lockout_after=99, lockout_s=900))
    world.nonce = 3000
    world.ask("Balance")
    world.nonce = 2994
    world.ask("Balance")
    world.nonce = 2994
    assert world.refused("Balance") == "EAPI:Invalid nonce"
    world.nonce = 2990
    assert world.refused("Balance") == "EAPI:Invalid nonce"


def test_bad_nonces_in_a_row_lock_the_key_out_and_asking_on_makes_it_longer():
    world = World()
    world.keys.limits = Limits(nonce=Nonce(window=0, lockout_after=3, lockout_s=900))
    good = world.nonce + 10
    world.nonce = good
    world.ask("Balance")
    errors = []
    for _ in range(4):
        world.nonce = 5
        errors.append(world.refused("Balance"))
    assert errors == ["EAPI:Invalid nonce"] * 2 + ["EGeneral:Temporary lockout"] * 2
    world.nonce = good + 1
    world.wait(890)
    assert world.answer("Balance").limited == "418"
    world.wait(890)
    assert world.refused("Balance") == "EGeneral:Temporary lockout"
    world.wait(901)
    assert world.ask("Balance")


def test_a_good_request_between_bad_ones_begins_the_count_anew():
    world = World()
    world.keys.limits = Limits(nonce=Nonce(window=0, lockout_after=3, lockout_s=900))
    world.ask("Balance")
    for _ in range(6):
        for _ in range(2):
            kept, world.nonce = world.nonce, 1
            assert world.refused("Balance") == "EAPI:Invalid nonce"
            world.nonce = kept
        world.ask("Balance")


def test_a_deadline_must_lie_between_2_and_60_seconds_ahead():
    world = World()

    def after(seconds):
        return rfc3339(world.now_ms + int(seconds * 1000))

    assert world.place(deadline=after(5))
    refused = {
        -1: "EService:Deadline elapsed",
        1: "EGeneral:Invalid arguments:deadline",
        61: "EGeneral:Invalid arguments:deadline",
    }
    for seconds, text in refused.items():
        assert world.refused("AddOrder", **world.order(deadline=after(seconds))) == text
    text = world.refused("AddOrder", **world.order(deadline="tomorrow"))
    assert text == "EGeneral:Invalid arguments:deadline"


def test_an_order_that_comes_to_the_engine_after_its_deadline_is_not_placed():
    world = World()
    message = world.message("AddOrder", **world.order(deadline=rfc3339(world.now_ms + 5000)))
    call = world.routed(message)
    account = world.dialect.authenticate(call, world.keys, world.now_ms)
    assert isinstance(account, Account)
    world.wait(6)
    late = world.dialect.expired(call, world.now_ms)
    assert late is not None
    assert late.code == "EService:Deadline elapsed"
    with pytest.raises(Refused, match="Deadline elapsed"):
        result(world.perform(call, account))
    assert not world.engine.orders("trader")
