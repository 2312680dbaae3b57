"""Worse at once, better after a while; what is measured outranks what is said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.health import Evidence, HealthSettings, PlaneHealth, Witness
from outlast.core.health.evidence import SEVERITY, believed
from outlast.errors import ConfigurationError
from outlast.model import Health

WELL, RECOVERING, DEGRADED = Health.HEALTHY, Health.RECOVERING, Health.DEGRADED
MAINTENANCE, DOWN = Health.MAINTENANCE, Health.DOWN


def health_of(plane, now):
    return plane.verdict(now).health


def test_calls_that_fail_make_it_down_at_once_with_the_reason():
    plane = PlaneHealth()
    plane.note(Witness.CALLS, DOWN, now=10, detail="left alone")
    verdict = plane.verdict(10)
    assert (verdict.health, verdict.since) == (DOWN, 10)
    assert verdict.why == "own calls: left alone"


def test_better_only_after_it_has_lasted():
    plane = PlaneHealth(HealthSettings(well_for_s=15))
    plane.note(Witness.CALLS, DOWN, now=0)
    plane.note(Witness.CALLS, WELL, now=100)
    assert plane.verdict(100).better_at == 115
    assert health_of(plane, 114.9) is DOWN
    assert health_of(plane, 115) is WELL


def test_a_relapse_on_the_way_starts_the_wait_again_and_each_later_one_doubles_it():
    plane = PlaneHealth(HealthSettings(well_for_s=15, well_for_s_max=600))
    now, waits = 0.0, []
    for _ in range(8):
        plane.note(Witness.CALLS, DOWN, now=now)
        plane.note(Witness.CALLS, WELL, now=now + 60)
        waits.append(plane.verdict(now + 60).better_at - (now + 60))
        now += 60 + waits[-1]
        assert health_of(plane, now) is WELL
        now += 10
    assert waits[:4] == [15, 30, 60, 120]
    assert max(waits) <= 600


def test_a_red_page_alone_degrades_and_no_more_and_not_for_ever():
    plane = PlaneHealth(HealthSettings(page_word_s=3600))
    for now in range(0, 7200, 60):
        plane.note(Witness.PAGE, DOWN, now=now, detail="REST is shown as major_outage", for_s=300)
        if now < 3600:
            assert health_of(plane, now) is DEGRADED
    assert health_of(plane, 7200) is WELL


def test_a_red_page_counts_on_while_something_measured_is_wrong_too():
    plane = PlaneHealth()
    plane.note(Witness.PAGE, DOWN, now=0)
    plane.note(Witness.STREAM, DEGRADED, now=5000, about="book")
    assert [e.witness for e in plane.verdict(5000).evidence] == [Witness.STREAM, Witness.PAGE]


def test_a_green_page_opens_nothing():
    plane = PlaneHealth()
    plane.note(Witness.CALLS, DOWN, now=0)
    for now in range(0, 1320, 60):
        plane.note(Witness.PAGE, WELL, now=now)
        assert health_of(plane, now) is DOWN


def test_a_page_that_is_not_read_any_more_says_nothing():
    plane = PlaneHealth()
    plane.note(Witness.PAGE, DEGRADED, now=0, for_s=300)
    assert health_of(plane, 299) is DEGRADED
    assert health_of(plane, 300 + 15) is DEGRADED  # only now it begins to look better
    assert health_of(plane, 300 + 31) is WELL


def test_maintenance_is_the_venues_own_word_and_calls_that_fail_then_are_no_news():
    plane = PlaneHealth()
    plane.note(Witness.CALLS, DOWN, now=0)
    plane.note(Witness.VENUE, MAINTENANCE, now=1)
    assert health_of(plane, 5) is DOWN
    assert health_of(plane, 16) is MAINTENANCE
    page_only = PlaneHealth()
    page_only.note(Witness.PAGE, MAINTENANCE, now=0)
    assert health_of(page_only, 0) is DEGRADED


def test_two_streams_are_two_pieces_of_evidence():
    plane = PlaneHealth()
    plane.note(Witness.STREAM, DEGRADED, now=0, about="BTC")
    plane.note(Witness.STREAM, DEGRADED, now=1, about="ETH")
    plane.note(Witness.STREAM, WELL, now=2, about="BTC")
    assert [e.since for e in plane.verdict(3).evidence] == [1]


@pytest.mark.parametrize("witness", list(Witness))
@pytest.mark.parametrize("says", list(Health))
def test_nobody_is_believed_more_than_their_due(witness, says):
    counted = believed(Evidence(witness, says, "", 0))
    assert SEVERITY[counted] <= SEVERITY[says]
    if witness is not Witness.CALLS:
        assert counted is not DOWN


steps = st.lists(
    st.tuples(
        st.sampled_from(list(Witness)),
        st.sampled_from(list(Health)),
        st.floats(0, 100),
        st.none() | st.floats(1, 500),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_it_never_looks_better_than_the_measured_and_only_calls_make_it_down(story):
    plane, now, calls = PlaneHealth(), 0.0, WELL
    for witness, says, seconds, for_s in story:
        now += seconds
        plane.note(witness, says, now=now, for_s=for_s if witness is Witness.PAGE else None)
        if witness is Witness.CALLS:
            calls = says
        verdict = plane.verdict(now)
        by_venue = any(
            e.witness is Witness.VENUE and e.says in (MAINTENANCE, DOWN) for e in verdict.evidence
        )
        assert by_venue or SEVERITY[verdict.health] >= SEVERITY[calls]
        assert verdict.since <= now


def test_flapping_every_five_minutes_for_hours_changes_the_verdict_a_bounded_number_of_times():
    plane = PlaneHealth()
    changes, last = 0, WELL
    for second in range(0, 4 * 3600, 5):
        bad = (second // 300) % 2 == 0
        plane.note(Witness.CALLS, DOWN if bad else WELL, now=second)
        if health_of(plane, second) is not last:
            changes, last = changes + 1, health_of(plane, second)
    assert changes <= 24, changes  # of 48 half-waves


@pytest.mark.parametrize(
    "bad", [{"well_for_s": -1}, {"page_word_s": float("inf")}, {"well_for_s_max": 1}]
)
def test_settings_that_make_no_sense_are_refused_by_name(bad):
    with pytest.raises(ConfigurationError, match=next(iter(bad))):
        HealthSettings(**bad)
