"""The venue looks at margins rarely and misses nothing: as good as a look at every step."""

from __future__ import annotations

from engine_world import BUY, SELL, SYMBOL, D, instrument, jump, market, pass_s, um
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.engine import margin
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs

OTHER = "BBBUSDT"


def overdue(engine: Engine) -> list[str]:
    """The accounts that must be liquidated at the marks of now, and are not being."""
    floor = engine._floor
    return [
        account.name
        for account in floor.accounts.values()
        if account.positions
        and margin.is_below_maintenance(account, floor.markets, "USDT")
        and not account.in_liquidation
    ]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-40, 40), st.integers(-400, 400)), min_size=1, max_size=6),
    st.lists(
        st.one_of(
            st.decimals("-0.05", "0.05", places=3).map(lambda by: ("jump", by)),
            st.decimals("-0.2", "0.2", places=2).map(lambda by: ("mark", by)),
            st.integers(-30, 30).filter(bool).map(lambda qty: ("trade", qty)),
            st.decimals("-0.05", "0.05", places=3).map(lambda rate: ("fund", rate)),
        ),
        max_size=6,
    ),
    st.integers(0, 2**32),
)
def test_nobody_is_below_maintenance_after_a_step_and_left_alone(holdings, happenings, seed):
    engine = um(
        instrument(vol_bps_per_min=D(60)),
        instrument(symbol=OTHER, base="BBB", mid=D(10), tick=D("0.01"), vol_bps_per_min=D(90)),
        seed=seed,
    )
    for number, (one, other) in enumerate(holdings):
        engine.open_account(
            f"a{number}",
            balances={"USDT": D(150)},
            positions={
                s: (D(q), D(p)) for s, q, p in ((SYMBOL, one, 100), (OTHER, other, 10)) if q
            },
        )
    for number, (kind, value) in enumerate([("wait", 0), *happenings]):
        match kind:
            case "jump":
                engine.set_market(MarketKnobs(drift=jump(value), vol_x=D(1 + number)))
            case "mark":
                engine.configure(EngineKnobs(mark_offset=value))
            case "trade":
                side = BUY if value > 0 else SELL
                engine.place("a0", market(side, abs(value)))
            case "fund":
                engine.fund(SYMBOL, value)
        for _ in range(8):
            pass_s(engine, 0.25)
            assert overdue(engine) == [], (kind, value)


def test_a_quiet_market_is_not_looked_at_again_and_again():
    engine = um(positions={SYMBOL: (D(10), D(100))})
    looks = 0
    watch = engine._margins
    look_at = watch._look_at

    def counted(*told: object) -> None:
        nonlocal looks
        looks += 1
        look_at(*told)

    watch._look_at = counted  # type: ignore[method-assign]
    pass_s(engine, 60)
    assert looks == 1
