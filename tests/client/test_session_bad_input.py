"""What a caller can get wrong: one line names field and remedy, and nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest
from venue_in_sim import BTC, World, calm, play

import outlast
from outlast.mock.exchange import MockError, MockExchange
from outlast.mock.scenario.document import ScenarioError

WRONG_ORDERS: dict[str, tuple[Any, type[Exception], str]] = {
    "unknown symbol": (
        lambda: outlast.limit("BTC/USD:USDT", "buy", "0.01", "60000"),
        outlast.UnknownInstrument,
        (
            "symbol 'BTC/USD:USDT' is not listed at binance-um; did you mean BTC/USDT:USDT or "
            "ETH/USDT:USDT or BTCUSDT?"
        ),
    ),
    "misspelt venue symbol": (
        lambda: outlast.limit("BTCUSTD", "buy", "0.01", "60000"),
        outlast.UnknownInstrument,
        "symbol 'BTCUSTD' is not listed at binance-um; did you mean BTCUSDT or BTC/USDT:USDT?",
    ),
    "a symbol like no other": (
        lambda: outlast.limit("§", "buy", "0.01", "60000"),
        outlast.UnknownInstrument,
        "symbol '§' is not listed at binance-um; see Session.instruments",
    ),
    "quantity below the minimum": (
        lambda: outlast.limit(BTC, "buy", "0.0001", "60000"),
        outlast.InvalidOrder,
        "qty 0.0001 is below BTC/USDT:USDT's minimum of 0.001; raise it",
    ),
    "quantity above the maximum": (
        lambda: outlast.limit(BTC, "buy", "100000", "60000"),
        outlast.InvalidOrder,
        "qty 100000 is above BTC/USDT:USDT's maximum of 700; split the order",
    ),
    "quantity off its step": (
        lambda: outlast.limit(BTC, "buy", "0.0105", "60000"),
        outlast.InvalidOrder,
        (
            "qty 0.0105 is not a multiple of BTC/USDT:USDT's step 0.001; use 0.010 "
            "(Session.quantize does it)"
        ),
    ),
    "price off its tick": (
        lambda: outlast.limit(BTC, "buy", "0.01", "60000.05"),
        outlast.InvalidOrder,
        (
            "price 60000.05 is not a multiple of BTC/USDT:USDT's tick 0.1; use 60000.0 "
            "(Session.quantize does it)"
        ),
    ),
    "worth too little": (
        lambda: outlast.limit("ETH/USDT:USDT", "buy", "0.001", "1900"),
        outlast.InvalidOrder,
        "qty 0.001 at 1900 is worth 1.900 USDT, below ETH/USDT:USDT's minimum of 5; raise it",
    ),
}


@pytest.mark.parametrize("case", WRONG_ORDERS.values(), ids=WRONG_ORDERS.keys())
def test_an_order_that_cannot_be_valid_is_not_sent(case, tmp_path):
    make, kind, message = case

    async def story(w: World):
        async with w.connect() as venue:
            with pytest.raises(kind) as caught:
                await venue.submit(make())
            assert str(caught.value) == message
            assert isinstance(caught.value, outlast.NotSent)
            assert caught.value.venue == "binance-um"
            assert caught.value.field in message
            assert venue.orders.all() == []
        assert w.requests("orders.create") == []

    play(story, tmp_path)


FLOAT = (
    "price is 60000.1, a float, which cannot hold money exactly; "
    "pass a string or a Decimal, for example price='60000.1'"
)


def test_a_float_price_is_refused_where_it_is_written():
    with pytest.raises(TypeError) as caught:
        outlast.limit(BTC, "buy", "0.01", 60000.1)
    assert str(caught.value) == FLOAT


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: outlast.limit(BTC, "buy", "a few", "60000"),
            "qty is 'a few', which is not a number; pass for example qty='0.01'",
        ),
        (
            lambda: outlast.market(BTC, "sell", "-0.01"),
            "qty is -0.01; it must be above 0 (the side says the direction)",
        ),
        (lambda: outlast.market(BTC, "up", "0.01"), "side is 'up'; it must be 'buy' or 'sell'"),
        (
            lambda: outlast.limit(BTC, "buy", "0.01", "60000", time_in_force="forever"),
            "time_in_force is 'forever'; it must be one of 'gtc', 'ioc', 'fok', 'gtd'",
        ),
        (
            lambda: outlast.limit(BTC, "buy", "1", "2", post_only=True, time_in_force="ioc"),
            "post_only contradicts time_in_force='ioc'; drop one of them",
        ),
    ],
)
def test_a_field_that_no_venue_takes_is_named(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


def test_a_float_slippage_is_refused_and_nothing_is_sent(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            with pytest.raises(TypeError, match=r"max_slippage is 0\.02, a float"):
                await venue.close_position(BTC, max_slippage=0.02)
            with pytest.raises(ValueError, match="it is a share, above 0 and below 1"):
                await venue.close_position(BTC, max_slippage="2")
            with pytest.raises(outlast.UnknownInstrument):
                await venue.close_position("DOGE/USDT:USDT")
        assert w.requests("orders.create") == []
        assert w.position() != 0

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))


def test_a_wrong_secret_is_told_at_the_door(tmp_path):
    async def story(w: World):
        with pytest.raises(outlast.AuthenticationFailed) as caught:
            async with w.connect(secret="not-the-secret"):
                raise AssertionError("it cannot have opened")
        assert str(caught.value) == (
            "balances could not be read from binance-um: signature_invalid (HTTP 400, -1022): "
            "Signature for this request is not valid; check secret: it does not belong to this key"
        )
        assert w.requests("orders.create") == []
        async with w.connect():  # the journal is free again
            pass

    play(story, tmp_path)


def test_a_wrong_key_is_told_at_the_door(tmp_path):
    async def story(w: World):
        with pytest.raises(outlast.AuthenticationFailed, match="; check key, its permissions"):
            async with w.connect(key="k" * 64):
                raise AssertionError("it cannot have opened")

    play(story, tmp_path)


PRIVATE_KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----"""
"""The first test key of RFC 8032, 7.1."""


def connect(**changes: Any) -> outlast.Session:
    arguments = {"key": "k", "secret": "s", "journal": None}
    return outlast.connect(changes.pop("venue", "binance-um"), **(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"venue": "binance-umm"},
            f"venue 'binance-umm' is unknown; available: {', '.join(outlast.venues())}",
        ),
        ({"secret": None}, "secret is missing: pass key and secret together, or neither"),
        ({"key": None}, "key is missing: pass key and secret together, or neither"),
        (
            {"secret": " s"},
            "secret is empty or has spaces around it; copy it again from the venue's API page",
        ),
        (
            {"journal": "/no/such/folder/bot.journal"},
            (
                "journal is '/no/such/folder/bot.journal', but the folder '/no/such/folder' does "
                "not exist; create it, or pass another path (journal=None keeps it in memory)"
            ),
        ),
        (
            {"endpoints": {"rest": "api.example.com"}},
            "endpoints: rest is 'api.example.com'; it must begin with http:// or https://",
        ),
        ({"endpoints": ["http://x"]}, "endpoints must be an object of names and URLs"),
        ({"shared": "redis://"}, "shared must be None: this version has no fleet state"),
    ],
)
def test_connect_names_what_is_wired_wrong(changes, message):
    with pytest.raises(outlast.ConfigurationError) as caught:
        connect(**changes)
    assert str(caught.value) == message


def test_a_private_key_may_end_with_the_line_break_of_its_file():
    pytest.importorskip("cryptography")
    connect(venue="binance-spot", secret=f"{PRIVATE_KEY}\n")


def test_endpoints_in_the_environment_that_are_not_json_are_named(monkeypatch):
    monkeypatch.setenv("OUTLAST_BINANCE_UM_ENDPOINTS", "http://127.0.0.1:8901")
    with pytest.raises(outlast.ConfigurationError) as caught:
        connect()
    assert str(caught.value) == (
        "OUTLAST_BINANCE_UM_ENDPOINTS is not JSON (Expecting value: line 1 column 1 (char 0)); "
        'it looks like {"rest": "http://127.0.0.1:8901"}'
    )


def test_keys_missing_from_the_environment_are_named(monkeypatch):
    for name in ("OUTLAST_BINANCE_UM", "BINANCE_API"):
        monkeypatch.delenv(f"{name}_KEY", raising=False)
        monkeypatch.delenv(f"{name}_SECRET", raising=False)
    with pytest.raises(outlast.ConfigurationError) as caught:
        outlast.connect_from_env("binance-um")
    assert str(caught.value) == (
        "no key in the environment; set OUTLAST_BINANCE_UM_KEY and OUTLAST_BINANCE_UM_SECRET or "
        "BINANCE_API_KEY and BINANCE_API_SECRET"
    )


def test_keys_and_endpoints_from_the_environment_open_a_session(tmp_path, monkeypatch):
    async def story(w: World):
        monkeypatch.setenv("BINANCE_API_KEY", "somebody else's")
        monkeypatch.setenv("OUTLAST_BINANCE_UM_KEY", w.wires["key"])
        monkeypatch.setenv("OUTLAST_BINANCE_UM_SECRET", w.wires["secret"])
        url = w.wires["endpoints"]["rest"]
        monkeypatch.setenv("OUTLAST_BINANCE_UM_ENDPOINTS", f'{{"rest": "{url}/"}}')
        async with outlast.connect_from_env("binance-um", journal=tmp_path / "j") as venue:
            assert venue.balances["USDT"].total == 50_000

    play(story, tmp_path)


def test_a_journal_in_use_is_told_before_anything_is_sent(tmp_path):
    async def story(w: World):
        async with w.connect():
            sent = len(w.requests())
            with pytest.raises(outlast.ConfigurationError) as caught:
                async with w.connect():
                    raise AssertionError("it cannot have opened")
            assert str(caught.value) == (
                f"journal {str(tmp_path / 'bot.journal')!r} is in use by another process or "
                "session; give each its own journal"
            )
            assert len(w.requests()) == sent

    play(story, tmp_path)


def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path):
    file = tmp_path / "bot.journal"
    file.write_text("dear diary " * 100)

    async def story(w: World):
        with pytest.raises(outlast.ConfigurationError, match="must be a journal file of outlast"):
            async with w.connect():
                raise AssertionError("it cannot have opened")
        assert w.requests() == []

    play(story, tmp_path)
    assert file.read_text() == "dear diary " * 100


def test_a_malformed_scenario_names_file_line_key_and_remedy(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "scenario: mine\nvenue: binance-um\nphases:\n  - name: calm\n    for: 5m\n    fault: []\n"
    )
    with pytest.raises(ScenarioError) as caught:
        MockExchange(file)
    assert str(caught.value) == (f"{file}:6: phases[0].fault: unknown key; did you mean `faults`?")


def test_a_venue_that_the_mock_does_not_know_is_named():
    with pytest.raises(MockError) as caught:
        MockExchange(venues=["binance-umm"])
    assert str(caught.value) == (
        "venue 'binance-umm' is not known; one of binance-spot, binance-um, kraken-spot"
    )
