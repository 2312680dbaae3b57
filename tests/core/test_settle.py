"""Proof of absence: what it takes, and what is never enough."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.settle import AbsenceProof, Lookup, SettleSettings, Step

SETTINGS = SettleSettings()
VALID_S = 5.0
HORIZON = 100.0 + VALID_S + SETTINGS.engine_gives_up_s + SETTINGS.margin_s
THREE = (Lookup.ORDER, Lookup.OPEN_ORDERS, Lookup.EXECUTIONS)


def proof(*, needs_fence=False):
    """For an order that was last sent at 100."""
    return AbsenceProof(SETTINGS, sent_at=100.0, valid_for_s=VALID_S, needs_fence=needs_fence)


def walk(absence, now, *, takes_s=0.1, until=None):
    """Do as told, every answer being "not there"; the steps taken and when the last answer came."""
    steps = []
    while (step := absence.next_step(now)) is not None:
        if until is not None and step.at >= until:
            return steps, now
        now = max(now, step.at)
        steps.append(Step(step.lookup, now, step.proves))
        absence.absent(step.lookup, asked_at=now, now=now + takes_s)
        now += takes_s
    return steps, now


def test_the_horizon_is_validity_plus_the_engines_patience_plus_a_margin():
    assert proof().horizon == HORIZON == 120.0


def test_the_first_look_comes_half_a_second_after_the_send():
    assert proof().next_step(100.0) == Step(Lookup.ORDER, 100.5, proves=False)
    assert proof().next_step(103.0) == Step(Lookup.ORDER, 103.0, proves=False)


def test_before_the_horizon_only_the_cheap_query_is_made_and_ever_more_rarely():
    steps, _ = walk(proof(), 100.0, until=HORIZON)
    assert {step.lookup for step in steps} == {Lookup.ORDER}
    gaps = [later.at - sooner.at for sooner, later in pairwise(steps)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= SETTINGS.look_every_s
    assert 4 <= len(steps) <= 8


def test_no_number_of_not_founds_before_the_horizon_proves_anything():
    absence = proof()
    for number in range(50):
        for lookup in THREE:
            at = 100.0 + number * 0.39
            absence.absent(lookup, asked_at=at, now=at + 0.01)
    assert not absence.is_complete
    assert absence.next_step(119.9) is not None


def test_a_question_asked_before_the_horizon_and_answered_after_it_does_not_count():
    absence = proof()
    for _ in range(4):
        for lookup in THREE:
            absence.absent(lookup, asked_at=119.99, now=500.0)
    assert not absence.is_complete


def test_every_lookup_comes_back_empty_twice_and_the_rounds_are_spaced():
    steps, now = walk(proof(), HORIZON)
    assert [step.lookup for step in steps] == [*THREE, *THREE]
    first_round_ended = steps[2].at + 0.1
    assert steps[3].at >= first_round_ended + SETTINGS.round_spacing_s
    assert now < HORIZON + 10.0


def test_a_complete_proof_asks_no_more():
    absence = proof()
    walk(absence, HORIZON)
    assert absence.is_complete
    assert absence.next_step(500.0) is None


@pytest.mark.parametrize("left_out", THREE)
def test_two_of_the_three_lookups_are_no_proof_however_often(left_out):
    absence = proof()
    for number in range(20):
        for lookup in THREE:
            if lookup is not left_out:
                at = HORIZON + 10.0 * number
                absence.absent(lookup, asked_at=at, now=at + 0.1)
    assert not absence.is_complete
    assert absence.next_step(1000.0).lookup is left_out


def test_two_rounds_at_one_moment_are_one_round():
    """Storage that lags shows the same hole to two questions of the same moment."""
    absence = proof()
    for _ in range(5):
        for lookup in THREE:
            absence.absent(lookup, asked_at=HORIZON + 1.0, now=HORIZON + 1.1)
    assert not absence.is_complete


def test_an_answer_asked_before_the_second_round_was_due_does_not_belong_to_it():
    absence = proof()
    for lookup in THREE:
        absence.absent(lookup, asked_at=HORIZON, now=HORIZON + 0.1)
    due = HORIZON + 0.1 + SETTINGS.round_spacing_s
    for lookup in THREE:
        absence.absent(lookup, asked_at=due - 0.5, now=due + 60.0)
    assert not absence.is_complete


def test_a_failed_lookup_proves_nothing_and_is_asked_again_later():
    absence = proof()
    step = absence.next_step(HORIZON)
    absence.failed(now=HORIZON + 1.0)
    again = absence.next_step(HORIZON + 1.0)
    assert again.lookup is step.lookup
    assert again.at >= HORIZON + 1.0 + SETTINGS.look_every_s
    for number in range(100):
        absence.failed(now=HORIZON + 2.0 + number)
    assert not absence.is_complete
    assert absence.next_step(HORIZON + 101.0).at <= HORIZON + 101.0 + SETTINGS.look_every_max_s


def test_failures_between_two_rounds_do_not_shorten_the_space_between_them():
    absence = proof()
    for lookup in THREE:
        absence.absent(lookup, asked_at=HORIZON, now=HORIZON + 0.1)
    due = absence.next_step(HORIZON + 0.1).at
    absence.failed(now=HORIZON + 0.2)
    assert absence.next_step(HORIZON + 0.2).at >= due


def test_what_the_venue_asks_for_is_waited():
    absence = proof()
    absence.failed(now=101.0, retry_after_s=90.0)
    assert absence.next_step(101.0).at == 191.0


def test_a_fence_comes_first_and_only_after_the_horizon():
    absence = proof(needs_fence=True)
    assert absence.next_step(119.0).lookup is Lookup.ORDER
    assert absence.next_step(HORIZON).lookup is Lookup.FENCE
    absence.absent(Lookup.FENCE, asked_at=119.0, now=119.5)
    assert absence.next_step(HORIZON + 9.0).lookup is Lookup.FENCE
    steps, _ = walk(absence, HORIZON + 9.0)
    assert [step.lookup for step in steps] == [Lookup.FENCE, *THREE, *THREE]


def test_without_a_fence_that_is_needed_no_number_of_rounds_is_enough():
    absence = proof(needs_fence=True)
    for number in range(10):
        for lookup in THREE:
            at = HORIZON + 20.0 * number
            absence.absent(lookup, asked_at=at, now=at + 0.1)
    assert not absence.is_complete
    assert absence.next_step(HORIZON + 500.0).lookup is Lookup.FENCE


def test_the_fence_lets_the_rounds_start_afresh():
    absence = proof(needs_fence=True)
    for number in range(2):
        for lookup in THREE:
            at = HORIZON + 20.0 * number
            absence.absent(lookup, asked_at=at, now=at + 0.1)
    absence.absent(Lookup.FENCE, asked_at=HORIZON + 40.0, now=HORIZON + 40.1)
    assert not absence.is_complete
    steps, _ = walk(absence, HORIZON + 40.1)
    assert [step.lookup for step in steps] == [*THREE, *THREE]


def test_an_answer_that_was_asked_for_before_the_fence_came_back_does_not_count():
    absence = proof(needs_fence=True)
    absence.absent(Lookup.FENCE, asked_at=HORIZON, now=HORIZON + 3.0)
    absence.absent(Lookup.ORDER, asked_at=HORIZON + 1.0, now=HORIZON + 3.5)
    assert absence.next_step(HORIZON + 30.0).lookup is Lookup.ORDER


def test_trouble_at_the_venue_makes_a_finished_proof_need_a_fence():
    absence = proof()
    walk(absence, HORIZON)
    absence.require_fence()
    assert not absence.is_complete
    assert absence.next_step(300.0).lookup is Lookup.FENCE
    steps, _ = walk(absence, 300.0)
    assert [step.lookup for step in steps] == [Lookup.FENCE, *THREE, *THREE]


def test_an_engine_that_leaves_requests_unanswered_must_answer_several_in_a_row():
    """One request that passes a stuck queue by chance says little about what is still in it."""
    absence = proof(needs_fence=True)
    absence.trouble(now=HORIZON + 1.0)
    steps, _ = walk(absence, HORIZON + 1.0)
    fences = [step.at for step in steps if step.lookup is Lookup.FENCE]
    assert len(fences) == SETTINGS.fences_in_trouble
    for sooner, later in pairwise(fences):
        assert later >= sooner + SETTINGS.fence_spacing_s
    # The order is looked for before them: presence ends the matter at once.
    before = [Lookup.ORDER, *[Lookup.FENCE] * len(fences)]
    assert [step.lookup for step in steps] == [*before, *THREE, *THREE]


def test_with_a_venue_that_answers_again_trouble_is_proved_over_within_half_a_minute():
    """However long the pauses had grown while it did not."""
    absence = proof(needs_fence=True)
    now = 100.0
    while now < 400.0:
        step = absence.next_step(now)
        now = max(now, step.at) + 3.0
        if step.lookup is Lookup.FENCE:
            absence.trouble(now=now)
        absence.failed(now=now)
    _, proved_at = walk(absence, now)
    assert proved_at < now + 50.0
    assert proved_at > now + 4 * SETTINGS.fence_spacing_s + SETTINGS.round_spacing_s


def test_pauses_from_before_the_horizon_do_not_last_beyond_it():
    absence = proof()
    for at in (105.0, 110.0, 115.0, 119.0):
        absence.failed(now=at)
    assert absence.next_step(HORIZON).at == HORIZON


STUCK = 100.0 + VALID_S + SETTINGS.stuck_s + SETTINGS.margin_s


def test_an_order_that_was_itself_left_unanswered_may_land_for_a_minute():
    absence = proof(needs_fence=True)
    absence.stuck(now=112.0)
    assert absence.horizon == STUCK == 170.0
    before, _ = walk(absence, 112.0, until=STUCK)
    assert {step.lookup for step in before} == {Lookup.ORDER}
    steps, proved_at = walk(absence, STUCK)
    assert [s.lookup for s in steps].count(Lookup.FENCE) == SETTINGS.fences_when_stuck
    assert proved_at < STUCK + 40.0


def test_what_was_answered_before_it_was_known_to_be_stuck_counts_for_nothing():
    absence = proof()
    for lookup in THREE:
        absence.absent(lookup, asked_at=HORIZON, now=HORIZON + 0.1)
    absence.stuck(now=HORIZON + 1.0)
    for lookup in THREE:
        absence.absent(lookup, asked_at=HORIZON + 10.0, now=HORIZON + 10.1)
    for number in range(SETTINGS.fences_when_stuck):
        at = STUCK + number
        absence.absent(Lookup.FENCE, asked_at=at, now=at + 0.1)
    for lookup in THREE:
        absence.absent(lookup, asked_at=STUCK + 30.0, now=STUCK + 30.1)
    assert not absence.is_complete
    steps, _ = walk(absence, STUCK + 30.1)
    assert [step.lookup for step in steps] == [*THREE]


def test_where_one_has_been_seen_to_land_three_minutes_late_the_next_may_land_later_still():
    absence = proof()
    absence.stuck(now=112.0, seen_late_s=180.0)
    assert absence.horizon == 100.0 + 225.0 + SETTINGS.margin_s


def test_what_was_seen_to_land_soon_or_absurdly_late_moves_no_horizon_beyond_reason():
    early, odd = proof(), proof()
    early.stuck(now=112.0, seen_late_s=20.0)
    assert early.horizon == STUCK
    odd.stuck(now=112.0, seen_late_s=86_400.0)
    assert odd.horizon == 100.0 + SETTINGS.seen_late_s_max + SETTINGS.margin_s


def test_it_is_known_how_long_the_venue_did_not_know_the_order():
    absence = proof()
    assert absence.absent_for_s == 0.0
    absence.absent(Lookup.ORDER, asked_at=131.0, now=131.2)
    absence.absent(Lookup.OPEN_ORDERS, asked_at=150.0, now=150.2)
    assert absence.absent_for_s == 31.0


def test_new_trouble_starts_the_fences_anew():
    absence = proof(needs_fence=True)
    absence.trouble(now=HORIZON)
    for number in range(SETTINGS.fences_in_trouble - 1):
        at = HORIZON + 20.0 * number
        absence.absent(Lookup.FENCE, asked_at=at, now=at + 0.1)
    absence.trouble(now=HORIZON + 100.0)
    steps, _ = walk(absence, HORIZON + 100.0)
    fences = [step for step in steps if step.lookup is Lookup.FENCE]
    assert len(fences) == SETTINGS.fences_in_trouble


def test_trouble_after_a_finished_proof_unmakes_it():
    absence = proof()
    walk(absence, HORIZON)
    absence.trouble(now=HORIZON + 60.0)
    assert not absence.is_complete


happenings = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *Lookup,
                "failed",
                "require_fence",
                "trouble",
                "stuck",
                *["all three"] * 3,
                *["obey"] * 6,
            ]
        ),
        st.sampled_from([0.0, 0.3, 2.0, 4.0, 30.0]),  # how long before the question
        st.sampled_from([0.0, 0.1, 3.0, 8.0]),  # how long until its answer
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(needs_fence=st.booleans(), happenings=happenings)
def test_whatever_happens_a_proof_is_a_proof(needs_fence, happenings):
    """Questions in any order, obeyed or not, lost or answered late.

    Checked against the definition, from a list of complete answers: at the moment when the proof
    calls itself complete, each lookup has two empty answers that were asked for after the horizon
    (and after the fence, where there must be one), the second at least a round's space after the
    first was answered.
    """
    absence = proof(needs_fence=needs_fence)
    now, answers, fences_needed = 100.0, [], int(needs_fence)
    fences_in_trouble = SETTINGS.fences_in_trouble
    fences = []  # when each came back, since the last trouble
    for what, wait_s, takes_s in happenings:
        now += wait_s
        if what == "failed":
            absence.failed(now=now + takes_s, retry_after_s=takes_s)
        elif what == "require_fence":
            fences_needed = max(fences_needed, 1)
            absence.require_fence()
        elif what == "trouble":
            fences_needed, fences = fences_in_trouble, []
            absence.trouble(now=now)
        elif what == "stuck":
            fences_needed = fences_in_trouble = SETTINGS.fences_when_stuck
            fences = []
            absence.stuck(now=now)
        else:
            if what == "obey":
                step = absence.next_step(now)
                if step is None:
                    assert absence.is_complete
                    continue
                assert step.at >= now
                asked, now = [step.lookup], step.at
            else:
                asked = THREE if what == "all three" else [what]
            for lookup in asked:
                answers.append((lookup, now, now + takes_s))
                if lookup is Lookup.FENCE and now >= absence.horizon:
                    fences.append(now + takes_s)
                absence.absent(lookup, asked_at=now, now=now + takes_s)
        now += takes_s
        if not absence.is_complete:
            assert absence.next_step(now) is not None
            continue
        counts_from = absence.horizon
        if fences_needed:
            assert len(fences) >= fences_needed
            counts_from = fences[fences_needed - 1]
        for lookup in THREE:
            good = [(a, e) for w, a, e in answers if w is lookup and a >= counts_from]
            assert len(good) >= 2
            assert good[-1][0] >= good[0][1] + SETTINGS.round_spacing_s


@pytest.mark.parametrize("seed", range(20))
def test_a_shell_that_obeys_gets_to_the_end_through_any_failures(seed):
    """Liveness: once the venue answers, the proof is complete within half a minute."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    absence = proof(needs_fence=rng.random() < 0.5)
    now, answers_from = 100.0, 100.0 + rng.uniform(0.0, 600.0)
    asked = Counter()
    while (step := absence.next_step(now)) is not None:
        now = max(now, step.at)
        asked[step.lookup] += 1
        ended = now + rng.uniform(0.02, 1.0)
        if now < answers_from and rng.random() < 0.9:
            absence.failed(now=ended)
        else:
            absence.absent(step.lookup, asked_at=now, now=ended)
        now = ended
        assert now < max(answers_from, HORIZON) + 60.0
    assert min(asked[lookup] for lookup in THREE) >= 2


def test_an_answer_to_anothers_question_counts_where_our_own_would():
    settling = proof()
    settling.absent_too(Lookup.EXECUTIONS, asked_at=HORIZON - 1, now=HORIZON - 1)
    settling.absent(Lookup.FENCE, asked_at=HORIZON, now=HORIZON + 1)
    settling.absent_too(Lookup.EXECUTIONS, asked_at=HORIZON + 0.5, now=HORIZON + 2)  # of before it
    asked = []
    now = HORIZON + 3.0
    settling.absent_too(Lookup.EXECUTIONS, asked_at=now, now=now)
    while (step := settling.next_step(now)) is not None:
        now = step.at
        asked.append(step.lookup)
        settling.absent(step.lookup, asked_at=now, now=now)
    both = [Lookup.ORDER, Lookup.OPEN_ORDERS]
    assert asked == [*both, *both, Lookup.EXECUTIONS]


def test_what_could_only_show_presence_counts_for_nothing_and_lets_the_fence_follow():
    settling = proof()
    settling.trouble(now=HORIZON)
    first = settling.next_step(HORIZON)
    assert first is not None
    assert (first.lookup, first.proves) == (Lookup.ORDER, False)
    settling.not_seen(now=first.at)
    then = settling.next_step(first.at)
    assert then is not None
    assert (then.lookup, then.proves) == (Lookup.FENCE, True)
    assert then.at > first.at
