"""Client order ids: never twice, and short enough for the strictest venue."""

import random
import re
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.ids import ClientOrderIds, new_prefix, new_uuid_prefix

LENGTH_MAX = 18  # Kraken's free-text cl_ord_id, the shortest limit of the venues
BINANCE = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$")


def test_a_prefix_is_ours_and_differs_from_journal_to_journal():
    rng = random.Random(1)
    made = {new_prefix(rng) for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(r"ol[0-9a-z]{6}", prefix) for prefix in made)


def test_the_same_seed_gives_the_same_prefix():
    assert new_prefix(random.Random(7)) == new_prefix(random.Random(7))


def opened(prefix="olabcdef", seed=5):
    return ClientOrderIds(prefix, random.Random(seed))


def test_ids_count_up_in_base_36_after_the_run():
    ids = opened()
    made = [ids.next() for _ in range(37)]
    head = f"olabcdef-{ids.run}"
    assert re.fullmatch(r"[0-9a-z]{5}", ids.run)
    assert made[:2] == [f"{head}0001", f"{head}0002"]
    assert made[9:11] == [f"{head}000a", f"{head}000b"]
    assert made[34:37] == [f"{head}000z", f"{head}0010", f"{head}0011"]


def test_every_id_is_unique_ours_and_allowed_at_the_venues():
    ids = opened(new_prefix(random.Random(2)))
    made = [ids.next() for _ in range(3000)]
    assert len(set(made)) == len(made)
    for client_order_id in made:
        assert ids.is_ours(client_order_id)
        assert len(client_order_id) <= LENGTH_MAX
        assert BINANCE.match(client_order_id)


def test_orders_of_other_programs_and_journals_are_not_ours():
    ids = opened()
    for other in ("", "olabcdef", "olabcdeg-1", "x-olabcdef-1", "olabcdefg-1", "web_9f3"):
        assert not ids.is_ours(other)


@settings(max_examples=60, deadline=None)
@given(seeds=st.lists(st.integers(0, 3), min_size=2, max_size=6), lost=st.integers(0, 5))
def test_after_a_restart_no_id_of_the_journal_comes_again(seeds, lost):
    """Openings that draw alike, each told of the runs that the journal has kept."""
    runs, seen = [], []
    for seed in seeds:
        ids = opened(seed=seed)
        for run in runs:
            ids.note_run(run)
        for client_order_id in seen:
            ids.note_used(client_order_id)
        fresh = [ids.next() for _ in range(lost + 1)]
        assert not set(fresh) & set(seen)
        runs.append(ids.run)
        seen += fresh


def test_openings_that_draw_apart_share_no_id_though_neither_knows_of_the_other():
    """A loss of power may take everything that the one before has written."""
    made = [opened(seed=seed).next() for seed in range(500)]
    assert len(set(made)) == 500


def test_an_id_of_our_own_run_moves_on_to_another_run():
    ids = opened()
    first = ids.next()
    ids.note_used(first)
    assert ids.next()[:-4] != first[:-4]


def test_ids_of_another_form_or_journal_change_nothing():
    ids, plain = opened(), opened()
    for other in ("olabcdef-", "olabcdef-A1", "olabcdef-my order", f"olzzzzzz-{plain.run}0001", ""):
        ids.note_used(other)
    assert ids.next() == plain.next()


def test_a_run_that_is_counted_to_its_end_gives_way_to_another():
    ids = opened()
    first = ids.run
    ids._used = 36**4 - 2
    last, following = ids.next(), ids.next()
    assert last == f"olabcdef-{first}zzzz"
    assert following == f"olabcdef-{ids.run}0001"
    assert ids.run != first


# Ids that are UUIDs, for venues that keep them as such.


def test_a_uuid_id_is_a_random_version_4_whose_last_group_is_run_and_counter():
    ids = opened(new_uuid_prefix(random.Random(3)))
    made = [ids.next() for _ in range(300)]
    assert re.fullmatch(r"[0-9a-f]{7}", ids.run)
    assert [name[-12:] for name in made[:2]] == [f"{ids.run}00001", f"{ids.run}00002"]
    assert made[255].endswith("00100")
    for name in made:
        assert str(uuid.UUID(name)) == name
        assert (uuid.UUID(name).version, uuid.UUID(name).variant) == (4, uuid.RFC_4122)
        assert ids.is_ours(name)
    assert len(set(made)) == 300


def test_uuid_prefixes_differ_from_journal_to_journal_and_repeat_with_the_seed():
    rng = random.Random(1)
    assert len({new_uuid_prefix(rng) for _ in range(500)}) == 500
    assert new_uuid_prefix(random.Random(7)) == new_uuid_prefix(random.Random(7))


def test_after_a_restart_uuid_ids_of_the_same_draw_are_others():
    prefix = new_uuid_prefix(random.Random(4))
    first, second = opened(prefix), opened(prefix)
    used = [first.next() for _ in range(20)]
    for name in used:
        second.note_used(name)
    second.note_used(str(uuid.UUID(int=2**127)))  # a caller's own
    second.note_used(f"{prefix}-not-ours-at-all")
    assert not {second.next() for _ in range(20)} & set(used)
