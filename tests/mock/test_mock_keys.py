"""Keys come from the seed, look like a venue's, and are found again."""

from __future__ import annotations

import base64
import re

import pytest

from outlast.mock.keys import KeyRing, make_key


def test_the_same_seed_venue_and_name_give_the_same_key():
    assert make_key(1, "binance-um", "main", "key") == make_key(1, "binance-um", "main", "key")
    one, two = (KeyRing(seed=7, venue="binance-um").issue("main") for _ in range(2))
    assert one == two


def test_keys_and_secrets_of_other_seeds_venues_and_names_differ():
    parts = [(s, v, n, k) for s in (1, 2) for v in "ab" for n in "xy" for k in ("key", "secret")]
    assert len({make_key(*p) for p in parts}) == len(parts)
    assert make_key(1, "ab", "c") != make_key(1, "a", "bc")


def test_keys_have_the_shape_that_venues_issue():
    ring = KeyRing(seed=3, venue="kraken-spot")
    account = ring.issue("main")
    assert re.fullmatch("[A-Za-z0-9]{64}", account.key)
    assert re.fullmatch("[A-Za-z0-9]{64}", account.secret)
    assert account.key != account.secret
    base64.b64decode(account.secret, validate=True)


def test_accounts_are_found_by_key_and_listed_in_order():
    ring = KeyRing(seed=3, venue="binance-um")
    accounts = [ring.issue(name) for name in ("main", "second")]
    assert ring.find(accounts[1].key) is accounts[1]
    assert ring.find("") is None
    assert list(ring) == accounts
    assert len(ring) == 2


def test_a_name_is_issued_once():
    ring = KeyRing(seed=3, venue="binance-um")
    ring.issue("main")
    with pytest.raises(AssertionError, match="exists"):
        ring.issue("main")
