"""Which door a request takes: the socket's while it is well."""

from __future__ import annotations

from outlast.core.paths import PathChoice, PathSettings

SETTINGS = PathSettings(
    avoid_first_s=15.0, avoid_grows_x=2.0, avoid_most_s=50.0, failures_max=3, proven_after_s=30.0
)


def test_a_socket_that_has_swallowed_nothing_may_be_used():
    assert PathChoice(SETTINGS).may_use_socket(0.0)


def test_a_request_that_was_swallowed_sends_the_next_ones_by_rest():
    choice = PathChoice(SETTINGS)
    choice.swallowed(100.0)
    assert not choice.may_use_socket(114.9)
    assert choice.may_use_socket(115.0)
    assert choice.avoided_until == 115.0


def test_all_that_one_connection_swallowed_is_one_event():
    choice = PathChoice(SETTINGS)
    for _ in range(20):
        choice.swallowed(100.0)
    assert choice.may_use_socket(115.0)


def test_it_is_left_alone_for_longer_each_time_and_not_for_ever():
    choice = PathChoice(SETTINGS)
    now, pauses = 0.0, []
    for _ in range(4):
        choice.swallowed(now)
        pauses.append(choice.avoided_until - now)
        now = choice.avoided_until
    assert pauses == [15.0, 30.0, 50.0, 50.0]


def test_after_half_a_minute_of_answers_the_next_pause_is_short_again():
    choice = PathChoice(SETTINGS)
    choice.swallowed(0.0)
    choice.swallowed(15.0)
    choice.answered(50.0, is_infrastructure_failure=False)
    choice.answered(79.0, is_infrastructure_failure=False)
    choice.answered(80.0, is_infrastructure_failure=False)
    choice.swallowed(90.0)
    assert choice.avoided_until == 105.0


def test_a_loss_in_between_starts_the_proof_anew():
    choice = PathChoice(SETTINGS)
    choice.swallowed(0.0)
    choice.answered(20.0, is_infrastructure_failure=False)
    choice.swallowed(30.0)
    choice.answered(61.0, is_infrastructure_failure=False)
    choice.swallowed(70.0)
    assert choice.avoided_until == 120.0


def test_answers_that_blame_the_machinery_lead_to_the_other_door():
    choice = PathChoice(SETTINGS)
    choice.answered(1.0, is_infrastructure_failure=True)
    choice.answered(2.0, is_infrastructure_failure=True)
    choice.answered(3.0, is_infrastructure_failure=False)
    choice.answered(4.0, is_infrastructure_failure=True)
    choice.answered(5.0, is_infrastructure_failure=True)
    assert choice.may_use_socket(5.0)
    choice.answered(6.0, is_infrastructure_failure=True)
    assert not choice.may_use_socket(6.0)
