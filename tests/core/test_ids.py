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


def test_ids_count_up_in_base_36():
    ids = ClientOrderIds("olabcdef")
    made = [ids.next() for _ in range(37)]
    assert made[:2] == ["olabcdef-1", "olabcdef-2"]
    assert made[9:11] == ["olabcdef-a", "olabcdef-b"]
    assert made[34:37] == ["olabcdef-z", "olabcdef-10", "olabcdef-11"]


def test_every_id_is_unique_ours_and_allowed_at_the_venues():
    ids = ClientOrderIds(new_prefix(random.Random(2)))
    made = [ids.next() for _ in range(3000)]
    assert len(set(made)) == len(made)
    for client_order_id in made:
        assert ids.is_ours(client_order_id)
        assert len(client_order_id) <= LENGTH_MAX
        assert BINANCE.match(client_order_id)


def test_orders_of_other_programs_and_journals_are_not_ours():
    ids = ClientOrderIds("olabcdef")
    for other in ("", "olabcdef", "olabcdeg-1", "x-olabcdef-1", "olabcdefg-1", "web_9f3"):
        assert not ids.is_ours(other)


@settings(max_examples=60, deadline=None)
@given(used=st.lists(st.integers(1, 36**4), min_size=1, max_size=20))
def test_after_a_restart_no_id_of_the_journal_comes_again(used):
    before = ClientOrderIds("olabcdef")
    seen = []
    for skip in used:
        before._used = skip
        seen.append(before.next())
    after = ClientOrderIds("olabcdef")
    for client_order_id in seen:
        after.note_used(client_order_id)
    fresh = [after.next() for _ in range(5)]
    assert not set(fresh) & set(seen)


def test_note_used_never_moves_the_counter_back():
    ids = ClientOrderIds("olabcdef")
    ids.note_used("olabcdef-10")
    ids.note_used("olabcdef-2")
    assert ids.next() == "olabcdef-11"


def test_ids_of_another_form_do_not_move_the_counter():
    ids = ClientOrderIds("olabcdef")
    for other in ("olabcdef-", "olabcdef-A1", "olabcdef-my order", "olzzzzzz-zz", "", "web-zz"):
        ids.note_used(other)
    assert ids.next() == "olabcdef-1"


def test_a_callers_own_long_id_with_our_prefix_leaves_room_for_the_next():
    """A caller may pass any id; one that fills all 18 characters must not stop our counting."""
    ids = ClientOrderIds("olabcdef")
    ids.note_used("olabcdef-zzzzzzzzz")
    ids.note_used("olabcdef-zzzzzzzzzzzzzzzzzzz")
    assert len(ids.next()) <= LENGTH_MAX


# Ids that are UUIDs, for venues that keep them as such.


def test_a_uuid_id_is_a_random_version_4_whose_last_group_counts():
    ids = ClientOrderIds(new_uuid_prefix(random.Random(3)))
    made = [ids.next() for _ in range(300)]
    assert [name[-12:] for name in made[:2]] == ["000000000001", "000000000002"]
    assert made[255].endswith("-000000000100")
    for name in made:
        assert str(uuid.UUID(name)) == name
        assert (uuid.UUID(name).version, uuid.UUID(name).variant) == (4, uuid.RFC_4122)
        assert ids.is_ours(name)
    assert len(set(made)) == 300


def test_uuid_prefixes_differ_from_journal_to_journal_and_repeat_with_the_seed():
    rng = random.Random(1)
    assert len({new_uuid_prefix(rng) for _ in range(500)}) == 500
    assert new_uuid_prefix(random.Random(7)) == new_uuid_prefix(random.Random(7))


def test_after_a_restart_uuid_ids_go_on_where_they_were():
    first = ClientOrderIds(new_uuid_prefix(random.Random(4)))
    used = [first.next() for _ in range(20)]
    second = ClientOrderIds(first.prefix)
    for name in used:
        second.note_used(name)
    second.note_used(str(uuid.UUID(int=2**127)))  # a caller's own
    second.note_used(f"{first.prefix}-not-ours-at-all")
    assert second.next() == f"{first.prefix}-{21:012x}"
