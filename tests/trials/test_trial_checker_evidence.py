"""Invariants 14, 15, 16, 18 and 19, promise P8: the journal, restarts, and how it all ends."""

from __future__ import annotations

from decimal import Decimal

from checked_world import BTC, HandWorld, balance, failure, position, tell
from msgspec.structs import replace

import outlast
from outlast.client.orders import CancelReport
from outlast.core.journal import Chain
from outlast.mock.records import Told
from outlast.model import Order, OrderStatus, OrderType, Side
from outlast.trials.checker import Checker
from outlast.trials.invariants import INVARIANTS
from outlast.trials.model import Disruption, DisruptionKind
from outlast.trials.watching import Ending

BUY = outlast.limit(BTC, "buy", "0.01", "60000")


def known(name: str = "ol-1", status: OrderStatus = OrderStatus.ACCEPTED) -> Order:
    return Order(
        client_order_id=name,
        symbol=BTC,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal("0.01"),
        status=status,
    )


# --- each request an attempt ---------------------------------------------------------------------


def test_a_request_that_is_no_attempt_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.request(params={"timestamp": "1"})
        w.attempt("positions.read", timestamp_ms=1)
        w.request(params={"timestamp": "2"})
        await w.pass_time(120)
        w.finish()
        assert w.broken == ["evidence-complete"]

    tell(story)


def test_an_answered_attempt_that_the_venue_never_got_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.attempt("positions.read", timestamp_ms=1)
        await w.pass_time(120)
        w.finish()
        assert w.broken == ["evidence-complete"]

    tell(story)


def test_an_attempt_without_an_answer_proves_nothing_and_one_not_sent_hides_none():
    async def story(w: HandWorld):
        w.open()
        lost = failure("read_timeout", "unknown", layer="transport")
        w.attempt("positions.read", timestamp_ms=1, http_status=None, failure=lost)
        unsent = failure("connect_failed", "not_sent", layer="transport")
        w.attempt("positions.read", timestamp_ms=2, http_status=None, failure=unsent)
        await w.pass_time(120)
        w.finish()
        assert w.broken == []
        w.request(params={"timestamp": "2"})
        await w.pass_time(120)
        w.finish()
        assert w.broken == ["evidence-complete"]

    tell(story)


def test_unsigned_requests_that_overtake_each_other_are_not_confused():
    """The slower of two alike is answered last; whoever pairs them in this order misses one."""

    async def story(w: HandWorld):
        w.open()
        sent_at = w.bot.clock.now()
        await w.pass_time(1)
        first_ms = w.mock.run.clock.now_ms
        await w.pass_time(1)
        w.request(account=None)
        w.attempt("positions.read", sent_at=sent_at)
        w.request(account=None, arrived_ms=first_ms)
        w.attempt("positions.read", sent_at=sent_at + 1.5)
        await w.pass_time(120)
        w.finish()
        assert w.broken == []

    tell(story)


def test_what_was_on_the_wire_at_a_kill_has_no_record():
    async def story(w: HandWorld):
        w.open()
        w.request(params={"timestamp": "1"})
        w.end(Ending.KILLED)
        await w.pass_time(120)
        w.finish()
        assert w.broken == []

    tell(story)


def test_what_a_dead_process_had_sent_may_arrive_when_the_way_is_open_again():
    async def story(w: HandWorld):
        w.open()
        w.checker.disrupted(
            Disruption(at_s=0, client="bot-1", kind=DisruptionKind.PARTITION, for_s=100)
        )
        w.end(Ending.KILLED)
        await w.pass_time(100)
        w.request(params={"timestamp": "1"})
        await w.pass_time(120)
        w.finish()
        assert w.broken == []

    tell(story)


def test_while_the_disk_is_full_there_are_no_records():
    async def story(w: HandWorld):
        w.open()
        w.checker.disrupted(
            Disruption(at_s=0, client="bot-1", kind=DisruptionKind.DISK_FULL, for_s=10)
        )
        w.request(params={"timestamp": "1"})
        await w.pass_time(120)
        w.finish()
        assert w.broken == []

    tell(story)


def test_a_secret_in_the_journal_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.attempt("positions.read", params={"signature": w.keys["bot-1"].secret})
        assert w.broken == ["p8-shown-without-secrets"]

    tell(story)


# --- crashes -------------------------------------------------------------------------------------


def test_an_order_at_the_venue_without_an_intent_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.place("ol-1")
        assert w.broken == ["crash-safe"]

    tell(story)


def test_an_id_that_is_used_again_after_a_restart_is_caught():
    async def story(w: HandWorld):
        session = w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        w.end(Ending.KILLED)
        session.orders.known["ol-1"] = known(status=OrderStatus.UNKNOWN)
        w.open(session)
        w.ask(order=BUY)
        w.intend("ol-1")
        assert w.broken == ["crash-safe"]

    tell(story)


def test_an_id_that_a_loss_of_power_took_before_it_was_sent_may_be_used_again():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        w.end(Ending.POWER_LOST)
        w.bot.disk.kept = []
        w.bot.chain = type(w.bot.chain)()
        w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        assert w.broken == []
        w.place("ol-1")
        w.end(Ending.POWER_LOST)
        w.bot.disk.kept = []
        w.bot.chain = type(w.bot.chain)()
        w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        assert w.broken == ["crash-safe"]

    tell(story)


def test_what_a_loss_of_power_took_back_is_no_state_that_goes_backwards():
    """The new process writes before its session is open: by then the old records do not count."""

    async def story(w: HandWorld):
        session = w.open()
        asked = w.ask(order=BUY)
        w.intend()
        w.change(status="submitted")
        kept, chain = list(w.bot.disk.kept), replace_chain(w)
        w.place()
        w.change(status="accepted")
        w.answer(asked)
        w.end(Ending.POWER_LOST)
        w.bot.disk.kept, w.bot.chain = kept, chain
        w.bot.incarnation += 1
        w.change(status="unknown", because="unanswered")
        w.bot.incarnation -= 1
        session.orders.known["ol-1"] = known(status=OrderStatus.UNKNOWN)
        w.open(session)
        assert w.broken == []

    tell(story)


def replace_chain(w: HandWorld) -> Chain:
    """A chain that goes on from what the disk has now."""
    last = w.bot.disk.kept[-1]
    return Chain(seq=last.seq, tip=last.chain_hash)


def test_an_order_that_a_restart_forgets_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        w.end(Ending.KILLED)
        w.open()
        assert w.broken == ["crash-safe"]

    tell(story)


def test_a_restart_that_knows_everything_is_fine():
    async def story(w: HandWorld):
        session = w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        session.orders.known["ol-1"] = known(status=OrderStatus.UNKNOWN)
        w.end(Ending.KILLED)
        w.open(session)
        assert w.broken == []

    tell(story)


def test_a_chain_that_does_not_hold_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.write("journal.opened", prefix="ol")
        w.attempt("positions.read")
        w.bot.disk.kept[0] = replace(w.bot.disk.kept[0], data=b'{"prefix":"other"}')
        w.end(Ending.KILLED)
        w.open()
        assert w.broken == ["crash-safe"]

    tell(story)


# --- liveness ------------------------------------------------------------------------------------


def test_an_intent_that_stays_unknown_too_long_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place()
        w.change(status="unknown")
        w.safety_over()
        await w.pass_time(51)
        w.change(status="accepted")
        assert w.broken == ["intents-end"]

    tell(story)


def test_an_intent_that_is_never_known_is_caught_at_the_end():
    async def story(w: HandWorld):
        session = w.open()
        w.ask(order=BUY)
        w.intend()
        w.request("ol-1", told=Told.AMBIGUOUS)
        w.change(status="unknown")
        session.orders.known["ol-1"] = known(status=OrderStatus.UNKNOWN)
        w.safety_over()
        await w.pass_time(60)
        w.finish()
        assert {"intents-end", "nothing-unknown-or-orphaned"} <= set(w.broken)

    tell(story)


def test_an_intent_that_is_known_in_time_is_fine():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place()
        w.change(status="unknown")
        w.safety_over()
        await w.pass_time(49)
        w.change(status="accepted")
        assert w.broken == []
        assert w.checker.case.examined["intents-end"] == 1

    tell(story)


def test_a_cache_that_stays_stale_is_caught_after_poll_and_grace():
    async def story(w: HandWorld):
        session = w.open()
        as_of = w.bot.clock.wall()
        session.balances["USDT"] = balance("100000", as_of=as_of, is_stale=True)
        session.positions[BTC] = position("0", as_of=as_of)
        w.safety_over()
        await w.pass_time(101)
        assert w.broken == []
        await w.pass_time(3)
        assert w.broken == ["caches-fresh"]

    tell(story)


def test_orphans_and_ghosts_are_caught_at_the_end():
    async def story(w: HandWorld):
        session = w.open()
        w.ask(order=BUY)
        w.intend()
        order = w.place()
        w.safety_over()
        session.orders.known["ol-1"] = known()
        w.finish()
        assert w.broken == []
        session.orders.known["ol-1"] = known(status=OrderStatus.CANCELED)
        w.finish()
        assert w.broken == ["nothing-unknown-or-orphaned"]
        w.cancel(order)
        session.orders.known["ol-1"] = known()
        w.finish()
        details = [v.detail for v in w.checker.case.violations]
        assert "open at the venue and canceled in the client" in details[0]
        assert "is held for accepted, and not open at the venue" in details[1]

    tell(story)


# --- what is told --------------------------------------------------------------------------------


def test_a_violation_tells_invariant_time_and_the_last_events():
    async def story(w: HandWorld):
        w.open()
        await w.pass_time(7)
        w.place("ol-1")
        [violation] = w.finish()
        assert violation.invariant == "crash-safe"
        assert 7 <= violation.at_s < 8
        assert "ol-1" in violation.detail
        assert any("session open" in line for line in violation.last_events)
        assert any("order 1 (ol-1) new" in line for line in violation.last_events)

    tell(story)


def test_the_log_hears_every_event():
    lines: list[str] = []

    async def story(w: HandWorld):
        w.checker = Checker(log=lines.append)
        w.checker.began(w)
        w.open()
        w.ask(order=BUY)
        w.intend()
        assert [line.split()[1] for line in lines] == ["bot-1", "bot-1", "bot-1"]
        assert "order.intent: ol-1 buy 0.01" in lines[-1]

    tell(story)


def test_every_invariant_is_numbered_and_the_missing_capability_is_not_passed_as_held():
    async def story(w: HandWorld):
        w.open()
        w.finish()
        findings = {f.invariant.number: f for f in w.checker.findings()}
        numbers = [str(n) for n in range(1, 21)] + [f"P{n}" for n in range(1, 9)]
        assert list(findings) == numbers == [i.number for i in INVARIANTS]
        assert findings["20"].verdict == "not applicable"
        assert findings["20"].invariant.needs == "Session.dead_mans_switch"
        assert findings["9"].verdict == "not exercised"
        assert findings["15"].verdict == "held"

    tell(story)


# --- what was told is written --------------------------------------------------------------------


def test_an_end_that_was_told_and_is_not_in_the_journal_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.place()
        asked = w.ask("cancel", client_order_id="ol-1")
        w.intend()
        w.change(status="accepted")
        w.answer(asked, value=known(status=OrderStatus.CANCELED))
        assert "p8-shown-without-secrets" in w.broken

    tell(story)


def test_what_is_written_may_be_told_and_a_full_disk_excuses_what_is_not():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.cancel(w.place())
        w.answer(w.ask("cancel", client_order_id="ol-1"), value=known())
        full = Disruption(at_s=0, client="bot-1", kind=DisruptionKind.DISK_FULL, for_s=10)
        w.checker.disrupted(full)
        told = CancelReport((known(status=OrderStatus.CANCELED),), (), ())
        w.answer(w.ask("cancel_all"), value=told)
        await w.pass_time(20)
        w.change(status="canceled")
        w.answer(w.ask("cancel_all"), value=told)
        assert w.broken == []

    tell(story)
