import pytest

from outlast.core.own_health import OwnHealth, OwnHealthSettings
from outlast.errors import ConfigurationError


def test_three_local_faults_in_a_row_hold_the_calls_but_one_per_pause():
    own = OwnHealth()
    for n in range(2):
        own.fault(float(n), "no route")
    assert own.admit(2.0)
    own.fault(2.0, "no such name")
    assert (own.is_troubled, own.reason) == (True, "no such name")
    assert own.retry_at() == 2.5
    assert not own.admit(2.4)
    assert [own.admit(2.5) for _ in range(20)].count(True) == 1


def test_pauses_grow_to_five_seconds_and_no_further():
    own = OwnHealth()
    now, pauses = 0.0, []
    for _ in range(2):
        own.fault(now, "?")
    for _ in range(1_100):
        own.fault(now, "?")
        pauses.append(own.retry_at() - now)
        now = own.retry_at()
    assert pauses[:5] == pytest.approx([0.5, 1.0, 2.0, 4.0, 5.0])
    assert pauses[-1] == pytest.approx(5.0)


def test_whatever_is_reached_ends_it():
    own = OwnHealth()
    for _ in range(5):
        own.fault(1.0, "?")
    own.reached()
    assert own.admit(1.0)
    assert own.retry_at() is None
    own.fault(1.0, "?")
    assert not own.is_troubled


def test_a_late_heartbeat_is_a_stall_only_beyond_a_quarter_second():
    own = OwnHealth()
    assert not own.lagged(0.35, beat_s=0.1, now=10.0)
    assert own.lagged(0.36, beat_s=0.1, now=20.0)
    assert own.was_stalled(since=19.9)
    assert own.was_stalled(since=5.0)
    assert not own.was_stalled(since=20.0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"faults_max": 0}, "faults_max"),
        ({"pause_s": 9.0}, "pause_s"),
        ({"stall_s": 0.0}, "stall_s"),
    ],
)
def test_impossible_settings_are_refused_by_name(change, field):
    with pytest.raises(ConfigurationError, match=field):
        OwnHealthSettings(**change)
