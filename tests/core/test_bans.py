import random

import pytest

from outlast.core.bans import BINANCE_IP_BAN, FIREWALL_BLOCK, BanClock, DefaultBan
from outlast.errors import ConfigurationError


def make(seed: int = 1) -> BanClock:
    return BanClock(random.Random(seed), jitter_share=0.0)


def test_nothing_of_any_kind_passes_until_the_ban_ends():
    bans = make()
    bans.ban("ip", until=130.0, now=100.0, reason="418")
    for now in (100.0, 115.0, 129.999):
        assert not bans.admit("ip", now)
        assert not bans.admit("ip", now, safety=True)
        assert bans.free_at("ip", now) == 130.0
    assert bans.free_at("ip", 130.0) is None
    assert bans.reason("ip") == "418"


def test_a_scope_without_a_ban_is_free():
    bans = make()
    bans.ban("account", until=130.0, now=100.0, reason="-1015")
    assert bans.admit("ip", 100.0)
    assert bans.free_at("ip", 100.0) is None
    assert bans.reason("ip") is None


def test_after_the_ban_one_call_passes_and_the_rest_waits_for_its_answer():
    bans = make()
    bans.ban("ip", until=130.0, now=100.0, reason="429")
    assert [bans.admit("ip", 130.0) for _ in range(50)].count(True) == 1
    assert bans.free_at("ip", 131.0) == 145.0
    bans.probe_result("ip", ok=True, sent_at=130.0, now=130.2)
    assert all(bans.admit("ip", 130.2) for _ in range(50))
    assert bans.reason("ip") is None


def test_a_probe_that_never_reports_makes_way_for_the_next():
    bans = make()
    bans.ban("ip", until=130.0, now=100.0, reason="429")
    assert bans.admit("ip", 130.0)
    assert not bans.admit("ip", 144.9)
    assert bans.admit("ip", 145.0)
    bans.probe_result("ip", ok=True, sent_at=130.0, now=145.1)
    assert not bans.admit("ip", 145.1)  # the lost probe does not speak for the second
    bans.probe_result("ip", ok=True, sent_at=145.0, now=145.2)
    assert bans.admit("ip", 145.2)


def test_an_answer_from_before_the_ban_does_not_lift_it():
    bans = make()
    bans.ban("ip", until=101.0, now=100.0, reason="429")
    bans.probe_result("ip", ok=True, sent_at=99.0, now=100.5)
    assert not bans.admit("ip", 100.9)
    assert bans.admit("ip", 101.0)
    bans.probe_result("ip", ok=True, sent_at=99.5, now=101.1)
    assert not bans.admit("ip", 101.1)


def test_failed_probes_wait_longer_and_longer_and_never_the_same():
    ends = []
    for seed in range(30):
        bans = make(seed)
        bans.ban("ip", until=10.0, now=0.0, reason="418")
        now = 10.0
        for mean_s in (5, 10, 20, 40, 60, 60):
            assert bans.admit("ip", now)
            bans.probe_result("ip", ok=False, sent_at=now, now=now)
            free_at = bans.free_at("ip", now)
            assert 0.75 * mean_s <= free_at - now <= 1.25 * mean_s
            now = free_at
        ends.append(now)
    assert len(set(ends)) == 30


def test_a_ban_is_never_shortened():
    bans = make()
    assert bans.ban("ip", until=259_300.0, now=100.0, reason="418") == 259_300.0
    assert bans.ban("ip", until=160.0, now=110.0, reason="429") == 259_300.0
    assert bans.reason("ip") == "418"
    assert not bans.admit("ip", 259_299.0)


def test_a_later_end_prolongs_it():
    bans = make()
    bans.ban("ip", until=160.0, now=100.0, reason="429")
    bans.ban("ip", until=400.0, now=101.0, reason="418")
    assert bans.free_at("ip", 200.0) == 400.0
    assert bans.reason("ip") == "418"


def test_a_probe_answered_by_another_ban_starts_over():
    bans = make()
    bans.ban("ip", until=130.0, now=100.0, reason="418")
    assert bans.admit("ip", 130.0)
    bans.ban("ip", until=600.0, now=130.2, reason="418 again")
    bans.probe_result("ip", ok=True, sent_at=130.0, now=130.3)
    assert not bans.admit("ip", 599.0)
    assert bans.admit("ip", 600.0)


def test_418_without_a_time_grows_from_two_minutes_to_three_days():
    bans = make()
    now, lengths = 0.0, []
    for _ in range(9):
        ends_at = bans.ban("ip", now=now, reason="418", default=BINANCE_IP_BAN)
        lengths.append(ends_at - now)
        now = ends_at
        assert bans.admit("ip", now)
        bans.probe_result("ip", ok=True, sent_at=now, now=now)
    assert lengths == [120, 480, 1920, 7680, 30_720, 122_880, 259_200, 259_200, 259_200]


def test_answers_to_what_was_in_flight_are_one_ban_not_ten():
    bans = make()
    ends = [bans.ban("ip", now=n * 0.1, reason="418", default=BINANCE_IP_BAN) for n in range(10)]
    assert ends[-1] == pytest.approx(120.9)


def test_a_day_of_good_conduct_is_a_fresh_start():
    bans = make()
    bans.ban("ip", now=0.0, reason="418", default=BINANCE_IP_BAN)
    assert bans.ban("ip", now=86_600.0, reason="418", default=BINANCE_IP_BAN) == 86_720.0


def test_a_firewall_block_is_five_minutes_each_time():
    bans = make()
    assert bans.ban("ip", now=0.0, reason="403", default=FIREWALL_BLOCK) == 300.0
    assert bans.ban("ip", now=400.0, reason="403", default=FIREWALL_BLOCK) == 700.0


def test_a_stated_time_goes_before_the_default():
    bans = make()
    ends_at = bans.ban("ip", until=107.0, now=100.0, reason="418", default=BINANCE_IP_BAN)
    assert ends_at == 107.0


def test_a_call_under_two_bans_needs_both_free_and_takes_neither_probe_otherwise():
    bans = make()
    bans.ban("ip", until=110.0, now=100.0, reason="429")
    bans.ban("account", until=120.0, now=100.0, reason="-1015")
    assert not bans.admit_all(("ip", "account"), 115.0)
    assert bans.admit("ip", 115.0)  # its probe was still to be had
    bans.probe_result("ip", ok=True, sent_at=115.0, now=115.1)
    assert bans.admit_all(("ip", "account"), 120.0)
    assert not bans.admit_all(("ip", "account"), 120.0)


def test_a_cancel_does_not_wait_for_the_answer_to_a_snapshot():
    bans = make()
    bans.ban("ip", until=130.0, now=100.0, reason="429")
    assert bans.admit("ip", 130.0)
    assert bans.free_at("ip", 131.0, safety=True) is None
    assert bans.admit("ip", 131.0, safety=True)
    assert not bans.admit("ip", 131.0, safety=True)
    bans.probe_result("ip", ok=True, sent_at=131.0, now=131.2)
    assert bans.admit("ip", 131.2)


def test_a_retry_after_of_zero_still_means_one_probe_first():
    bans = make()
    bans.ban("ip", until=100.0, now=100.0, reason="429")
    assert [bans.admit("ip", 100.0) for _ in range(5)] == [True, False, False, False, False]


def test_those_who_were_told_the_same_instant_come_back_one_by_one():
    opens = []
    for seed in range(40):
        bans = BanClock(random.Random(seed))
        bans.ban("ip", until=220.0, now=100.0, reason="418")
        assert not bans.admit("ip", 219.999, safety=True)
        opens.append(bans.free_at("ip", 220.0) or 220.0)
        assert bans.free_at("ip", 220.0, safety=True) is None  # a cancel does not wait for fun
    assert len(set(opens)) == 40
    assert 220.0 <= min(opens) < max(opens) <= 225.0


def test_the_jitter_of_a_short_wait_is_short():
    bans = BanClock(random.Random(1))
    bans.ban("ip", until=101.0, now=100.0, reason="429")
    assert 101.0 <= bans.free_at("ip", 100.5) <= 101.05


def test_while_nothing_is_banned_there_is_nothing_to_ask():
    bans = make()
    assert bans.is_clear
    bans.ban("ip", until=101.0, now=100.0, reason="429")
    assert not bans.is_clear
    assert bans.admit("ip", 101.0)
    bans.probe_result("ip", ok=True, sent_at=101.0, now=101.1)
    assert bans.is_clear


@pytest.mark.parametrize("until", [float("inf"), float("nan")])
def test_a_ban_without_an_end_is_a_mistake(until):
    with pytest.raises(ValueError, match="until"):
        make().ban("ip", until=until, now=0.0, reason="?")


def test_a_ban_needs_a_time_or_a_default():
    with pytest.raises(ValueError, match=r"'ip' needs until=.* or default="):
        make().ban("ip", now=0.0, reason="418")


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({"first_s": 0.0}, "first_s"),
        ({"first_s": 10.0, "max_s": 5.0}, "max_s"),
        ({"first_s": 10.0, "max_s": float("inf")}, "max_s"),
        ({"first_s": 10.0, "growth": 0.5}, "growth"),
    ],
)
def test_impossible_defaults_are_refused_by_name(numbers, field):
    with pytest.raises(ConfigurationError, match=field):
        DefaultBan(**numbers)
