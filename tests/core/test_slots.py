import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.backends.http import CONNECTIONS_MAX
from outlast.core.limiter import SLOTS, Slots, SlotSettings
from outlast.errors import ConfigurationError
from outlast.wire import Lane

SAFETY, RECONCILE, TRADE, DATA = Lane


def fill(slots: Slots, lane: Lane) -> int:
    taken = 0
    while (slot := slots.find(lane)) is not None:
        slots.take(slot)
        taken += 1
    return taken


def test_a_flood_of_data_leaves_two_reads_twenty_orders_and_two_for_safety():
    slots = Slots()
    assert [fill(slots, lane) for lane in (DATA, RECONCILE, TRADE, SAFETY)] == [6, 2, 20, 2]
    assert slots.in_use == 30


def test_all_slots_together_fit_into_the_connections_of_the_pool():
    assert SLOTS.safety + SLOTS.orders + SLOTS.reads <= CONNECTIONS_MAX


def test_safety_takes_whatever_is_free():
    assert fill(Slots(), SAFETY) == 30


def test_what_is_given_back_can_be_taken_again():
    slots = Slots()
    fill(slots, TRADE)
    assert slots.find(TRADE) is None
    slots.give_back(TRADE)
    assert slots.find(TRADE) is TRADE


def test_giving_back_twice_is_a_mistake_of_ours():
    slots = Slots()
    slots.take(TRADE)
    slots.give_back(TRADE)
    with pytest.raises(AssertionError, match="given back twice"):
        slots.give_back(TRADE)


@given(steps=st.lists(st.one_of(st.sampled_from(Lane), st.integers(0, 30)), max_size=120))
@settings(max_examples=150, deadline=None)
def test_safety_always_finds_one_until_its_own_are_all_with_safety(steps):
    """A lane takes a slot, a number gives the n-th of those taken back."""
    slots, taken = Slots(), []
    for step in steps:
        if isinstance(step, Lane):
            slot = slots.find(step)
            if slot is not None:
                slots.take(slot)
                taken.append((step, slot))
        elif taken:
            _, slot = taken.pop(step % len(taken))
            slots.give_back(slot)
        assert slots.in_use == len(taken)
        by_safety = sum(lane is SAFETY for lane, _ in taken)
        assert slots.find(SAFETY) is not None or by_safety >= SLOTS.safety
        assert all(lane is SAFETY for lane, slot in taken if slot is SAFETY)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"safety": 0}, "safety"), ({"orders": 0}, "orders"), ({"reconcile": 8}, "reconcile")],
)
def test_impossible_settings_are_refused_by_name(change, field):
    with pytest.raises(ConfigurationError, match=field):
        SlotSettings(**change)
