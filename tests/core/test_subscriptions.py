from math import inf

from outlast.core.subscriptions import ACK_WITHIN_S, REFUSED_FOR_S, Subscriptions, TopicState
from outlast.stream_wire import Acked, Channel, Frame, Topic

BTC, ETH, SOL = (Topic(Channel.BOOK, symbol, "25") for symbol in ("BTC", "ETH", "SOL"))


def frames(verb):
    """Two topics to a message."""

    def make(topics, *, first_id):
        made = []
        for begin in range(0, len(topics), 2):
            part = tuple(topics[begin : begin + 2])
            said = f"{verb} {' '.join(topic.symbol for topic in part)}"
            made.append(Frame(first_id + len(made), part, said.encode()))
        return made

    return make


def fresh(*topics):
    subscriptions = Subscriptions(frames("subscribe"), frames("unsubscribe"), frame_every_s=0.5)
    for topic in topics:
        subscriptions.want(topic)
    return subscriptions


def sent(subscriptions, now):
    frame = subscriptions.next_frame(now)
    return None if frame is None else (frame.request_id, frame.data.decode())


def test_wishes_become_messages_that_are_paced():
    s = fresh(BTC, ETH, SOL)
    assert s.due_at() == -inf
    assert sent(s, 0.0) == (1, "subscribe BTC ETH")
    assert sent(s, 0.4) is None
    assert s.due_at() == 0.5
    assert sent(s, 0.5) == (2, "subscribe SOL")
    assert sent(s, 1.0) is None
    assert s.due_at() == ACK_WITHIN_S
    assert not s.is_settled


def test_an_answer_holds_the_topics_that_it_names_and_no_others():
    s = fresh(BTC, ETH)
    s.next_frame(0.0)
    assert s.acked(Acked(1, BTC), 0.1) == [BTC]
    assert (s.state(BTC), s.state(ETH)) == (TopicState.HELD, TopicState.ASKED)
    assert s.acked(Acked(1, BTC), 0.2) == []  # a duplicate is no news
    assert s.acked(Acked(1, SOL), 0.2) == []
    assert s.acked(Acked(77, ETH), 0.2) == []  # nobody asked with that number
    assert s.acked(Acked(1, None, symbol="ETH"), 0.3) == [ETH]
    assert s.is_settled
    assert s.due_at() == inf


def test_an_answer_without_a_topic_is_for_all_of_its_request():
    s = fresh(BTC, ETH)
    s.next_frame(0.0)
    assert s.acked(Acked(1, None), 0.1) == [BTC, ETH]


def test_what_is_not_answered_is_given_up_and_asked_again():
    s = fresh(BTC)
    s.next_frame(0.0)
    assert sent(s, ACK_WITHIN_S - 0.1) is None
    assert sent(s, ACK_WITHIN_S) == (2, "unsubscribe BTC")  # it may be carried all the same
    assert sent(s, ACK_WITHIN_S + 0.5) == (3, "subscribe BTC")
    assert s.acked(Acked(1, BTC), 6.0) == []  # an answer to what was given up
    assert s.acked(Acked(3, BTC), 6.0) == [BTC]


def test_a_refusal_is_kept_and_tried_again_much_later():
    s = fresh(BTC)
    s.next_frame(0.0)
    assert s.acked(Acked(1, None, "no such pair"), 0.1) == []
    assert s.state(BTC) is TopicState.REFUSED
    assert s.error(BTC) == "no such pair"
    assert s.refusals == 1
    assert s.is_settled
    assert s.due_at() == 0.1 + REFUSED_FOR_S
    assert sent(s, 0.1 + REFUSED_FOR_S) == (2, "subscribe BTC")
    s.acked(Acked(2, None), 40.0)
    assert s.error(BTC) == ""


def test_a_refusal_of_one_symbol_leaves_its_neighbours():
    s = fresh(BTC, ETH)
    s.next_frame(0.0)
    s.acked(Acked(1, None, "no such pair", symbol="ETH"), 0.1)
    assert s.acked(Acked(1, BTC), 0.1) == [BTC]
    assert s.state(ETH) is TopicState.REFUSED


def test_too_fast_without_a_number_makes_a_pause():
    s = fresh(BTC)
    s.acked(Acked(None, None, "too fast"), 10.0)
    assert sent(s, 10.9) is None
    assert sent(s, 11.0) == (1, "subscribe BTC")


def test_renewing_unsubscribes_first():
    s = fresh(BTC)
    s.next_frame(0.0)
    s.acked(Acked(1, BTC), 0.1)
    s.renew(BTC)
    assert s.state(BTC) is TopicState.WANTED
    assert sent(s, 1.0) == (2, "unsubscribe BTC")
    assert sent(s, 1.5) == (3, "subscribe BTC")
    assert s.acked(Acked(2, BTC), 1.6) == []  # of the unsubscription
    assert s.acked(Acked(3, BTC), 1.7) == [BTC]


def test_forgetting_unsubscribes_what_was_asked_for_only():
    s = fresh(BTC, ETH)
    s.forget(ETH)
    s.next_frame(0.0)
    s.forget(BTC)
    assert s.state(BTC) is None
    assert s.error(BTC) == ""
    assert sent(s, 1.0) == (2, "unsubscribe BTC")
    assert s.acked(Acked(1, BTC), 1.1) == []
    assert s.is_settled


def test_data_before_the_answer_is_an_answer():
    s = fresh(BTC)
    assert not s.spoke(BTC)  # not asked for yet: of an earlier subscription
    s.next_frame(0.0)
    assert s.spoke(BTC)
    assert not s.spoke(BTC)
    assert not s.spoke(ETH)
    assert s.acked(Acked(1, BTC), 0.2) == []


def test_a_book_that_is_renewed_for_days_leaves_nothing_behind():
    s, now = fresh(BTC), 0.0
    for _ in range(1000):
        s.renew(BTC)
        now += 10.0
        while s.next_frame(now) is not None:
            now += 0.5
        assert s.acked(Acked(max(s._asked), None), now) == [BTC]
    assert len(s._asked) < 300
