"""Gaps in the chain: only those that the journal itself names, and what may be dropped at all."""

from __future__ import annotations

import inspect
import random
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from outlast.backends.journal import MemoryStore
from outlast.client import journal as client_journal
from outlast.client.journal import read_history
from outlast.core.histories import check
from outlast.core.ids import ClientOrderIds
from outlast.core.journal import (
    GAP,
    PRUNED,
    SALVAGED,
    Chain,
    Gap,
    decode_fields,
    encode_fields,
    gap_record,
    verify,
)
from outlast.core.pruning import EVIDENCE, LAST_OF, Survey
from outlast.core.salvage import mend
from outlast.model import Execution, Order, OrderStatus, OrderType, Side
from outlast.wire import Record

DAY = 86_400.0
PREFIX = "olabcdef"


def order(number: int, status: str, *, run: str = "aaaaa", filled: str = "0") -> Order:
    return Order(
        client_order_id=f"{PREFIX}-{run}{number:04d}",
        symbol="BTC/USDT",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal(2),
        status=OrderStatus(status),
        price=Decimal(100),
        filled_qty=Decimal(filled),
        venue_order_id=None if status in ("initialized", "unknown") else f"v{run}{number}",
    )


def fill(number: int, *, run: str = "aaaaa") -> Execution:
    return Execution(
        symbol="BTC/USDT",
        execution_id=f"e{run}{number}",
        venue_order_id=f"v{run}{number}",
        side=Side.BUY,
        price=Decimal(100),
        qty=Decimal(2),
        fee=Decimal(0),
        fee_currency="USDT",
    )


class Written:
    """A journal in the making, whose clock is set by hand."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.records: list[Record] = []
        self.at = 1_000_000.0
        self.add("journal.opened", prefix=PREFIX, run="aaaaa", venue="binance-um")

    def add(self, kind: str, **fields: object) -> Record:
        record = self.chain.seal(kind, fields, at=self.at)
        self.chain.accept(record)
        self.records.append(record)
        self.at += 1.0
        return record

    def live(self, number: int, *statuses: str, run: str = "aaaaa", filled: str = "0") -> None:
        """One order from its intent on, with its attempt, through these statuses."""
        name = order(number, "initialized", run=run).client_order_id
        self.add("order.intent", order=order(number, "initialized", run=run))
        self.add("attempt", request="order.place", client_order_id=name, failure=None)
        for status in statuses:
            if status == "filled":
                self.add("execution", execution=fill(number, run=run))
            self.add("order.changed", order=order(number, status, run=run, filled=filled))


def pruned(records: list[Record], *, before: float) -> list[Record]:
    """The same journal after `outlast journal prune`."""
    survey = Survey(before)
    for record in records:
        survey.fold(record)
    judgement = survey.judge()
    for record in records:
        judgement.take(record)
    pruning = judgement.made()
    if pruning is None:
        return records
    store = MemoryStore()
    chain = Chain(seq=records[-1].seq, tip=records[-1].chain_hash)
    store.write(*records, chain.seal(PRUNED, pruning.licence(), at=records[-1].at + 1))
    for gap in pruning.gaps:
        assert store.drop(gap_record(gap, at=0.0), first=gap.first, at_most=10_000) == gap.last
    return list(store.records())


def a_long_life() -> Written:
    w = Written()
    w.live(1, "accepted", "filled", filled="2")
    w.live(2, "accepted")
    w.add("ban.began", scope="ip", until=5.0, for_s=2.0, at=1.0, reason="429")
    w.add("nonce.reserved", floor=100)
    w.live(3, "unknown")
    w.live(4, "rejected")
    w.add("journal.resumed", run="bbbbb")
    w.add("nonce.reserved", floor=200)
    w.add("recovery.changed", stage="shut", reason="out", out_since=1.0)
    w.add("recovery.changed", stage="free", reason="", out_since=1.0)
    w.add("gate.halted", reason="a look")
    for _ in range(30):
        w.add("attempt", request="time.read", client_order_id=None, failure=None)
    w.at += 40 * DAY
    w.live(5, "accepted", "canceled", run="bbbbb")
    return w


def test_what_is_final_and_old_goes_and_the_rest_still_verifies():
    w = a_long_life()
    before, after = w.records, pruned(w.records, before=w.at - 30 * DAY)
    assert len(after) < len(before) / 2
    assert verify(after) is None
    assert check(after).holds
    kept = {order_["order"]["client_order_id"][-4:] for order_ in orders_in(after)}
    assert kept == {"0002", "0003", "0005"}


def orders_in(records: list[Record]) -> list[dict]:
    return [decode_fields(r.data) for r in records if r.kind.startswith("order.")]


def history_of(records: list[Record]):
    store = MemoryStore()
    store.write(*records)
    return read_history(store)


def test_a_restart_finds_all_that_it_needs():
    w = a_long_life()
    before, after = history_of(w.records), history_of(pruned(w.records, before=w.at - 30 * DAY))
    open_ = {n: o for n, o in before.orders.items() if not o.status.is_final}
    assert open_.items() <= after.orders.items()
    for name in ("prefix", "venue", "nonce_floor", "bans", "recovery", "halted", "believed"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.runs >= {"aaaaa", "bbbbb"}


def test_no_id_is_given_again_of_a_run_that_only_dropped_orders_tell_of():
    w = Written()
    w.live(1, "rejected", run="zzzzz")
    w.at += 40 * DAY
    after = pruned(w.records, before=w.at - 30 * DAY)
    assert not orders_in(after)
    assert "zzzzz" in history_of(after).runs
    ids = ClientOrderIds(PREFIX, random.Random(1))
    run = ids.run
    ids.note_run(run)
    assert ids.run != run


def test_pruning_again_joins_the_gaps_and_names_them_all():
    w = a_long_life()
    once = pruned(w.records, before=w.at - 30 * DAY)
    w.records, w.chain = once, Chain(seq=once[-1].seq, tip=once[-1].chain_hash)
    w.live(2, "canceled")
    w.at += 40 * DAY
    w.live(6, "accepted")
    twice = pruned(w.records, before=w.at - 30 * DAY)
    assert verify(twice) is None
    assert check(twice).holds
    assert {r["order"]["client_order_id"][-4:] for r in orders_in(twice)} == {"0003", "0006"}
    assert history_of(twice).runs >= {"aaaaa", "bbbbb"}
    assert sum(r.kind == GAP for r in twice) <= sum(r.kind == GAP for r in once) + 2


def test_a_process_that_died_while_it_dropped_leaves_a_chain_that_holds():
    w = a_long_life()
    survey = Survey(w.at - 30 * DAY)
    for record in w.records:
        survey.fold(record)
    judgement = survey.judge()
    for record in w.records:
        judgement.take(record)
    pruning = judgement.made()
    store = MemoryStore()
    store.write(*w.records, w.chain.seal(PRUNED, pruning.licence(), at=w.at))
    steps = 0
    for gap in pruning.gaps:
        done = 0
        while done < gap.last:
            done = store.drop(gap_record(gap, at=0.0), first=gap.first, at_most=3)
            steps += 1
            assert verify(store.records()) is None
            assert check(store.records()).holds
            found = history_of(list(store.records()))
            assert {n[-4:] for n, o in found.orders.items() if not o.status.is_final} == {
                "0002",
                "0003",
            }
    assert steps > 10


def test_a_gap_that_no_licence_names_is_a_fault():
    w = a_long_life()
    store = MemoryStore()
    store.write(*w.records)
    store.drop(gap_record(Gap(3, 4, ""), at=0.0), first=3, at_most=9)
    fault = verify(store.records())
    assert fault.seq == 3
    assert "records 3 to 4 are missing, and no later record says why" in fault.problem


def test_a_gap_that_is_wider_than_its_licence_is_a_fault():
    w = a_long_life()
    after = pruned(w.records, before=w.at - 30 * DAY)
    store = MemoryStore()
    store.write(*after)
    place = next(i for i, r in enumerate(after) if r.kind == GAP)
    first, last = decode_fields(after[place].data)["first"], after[place].seq + 1
    store.drop(gap_record(Gap(first, last, ""), at=0.0), first=first, at_most=9)
    assert verify(store.records()).seq == first


def test_a_gap_with_another_hash_does_not_fit_what_follows():
    w = a_long_life()
    after = pruned(w.records, before=w.at - 30 * DAY)
    place = next(i for i, r in enumerate(after) if r.kind == GAP)
    after[place] = replace(after[place], chain_hash="0" * 64)
    assert "does not fit" in verify(after).problem


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"first": 0}', b'{"first": 9}', b'{"first": "2"}']
)
def test_a_gap_that_cannot_be_read_is_a_fault(data):
    first, last = a_long_life().records[:2]
    assert verify([first, Record(2, 1.0, GAP, data, last.chain_hash)]) is not None


def test_a_licence_that_cannot_be_read_is_a_fault():
    assert "cannot be read" in verify([Chain().seal(PRUNED, {"gaps": [1]}, at=1.0)]).problem


def test_what_a_restart_reads_is_never_taken_for_mere_evidence():
    read = set(re.findall(r'"([a-z]+\.[a-z_]+)"', inspect.getsource(client_journal._fold)))
    assert len(read) > 8
    assert not read & EVIDENCE
    assert not set(LAST_OF) & EVIDENCE


def test_nothing_goes_of_an_order_of_which_something_is_young():
    w = Written()
    w.live(1, "accepted")
    w.at += 40 * DAY
    w.add("order.changed", order=order(1, "canceled"))
    assert pruned(w.records, before=w.at - 30 * DAY) == w.records


def test_fills_stay_until_what_was_believed_of_the_account_is_a_day_younger():
    w = Written()
    w.add("account.believed", balances=[], positions=[], at={}, flat_since=None)
    w.live(1, "filled", filled="2")
    w.live(2, "rejected")
    w.at += 40 * DAY
    after = pruned(w.records, before=w.at - 30 * DAY)
    assert {r["order"]["client_order_id"][-4:] for r in orders_in(after)} == {"0001"}
    w.add("account.believed", balances=[], positions=[], at={}, flat_since=None)
    assert not orders_in(pruned(w.records, before=w.at - 30 * DAY))


def test_kinds_that_nobody_has_judged_stay():
    w = Written()
    w.add("something.new", worth="unknown")
    w.add("attempt", request="time.read", client_order_id=None, failure=None)
    w.at += 40 * DAY
    assert [r.kind for r in pruned(w.records, before=w.at)] == [
        "journal.opened",
        "something.new",
        GAP,
        PRUNED,
    ]


steps = st.lists(
    st.tuples(
        st.sampled_from(["live", "nonce", "ban", "resume", "noise", "day", "prune"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_however_often_it_is_pruned_it_verifies_and_forgets_nothing_that_is_open(script):
    w, endings = Written(), ["rejected", "accepted", "unknown", "canceled", "filled", "expired"]
    whole: list[Record] = list(w.records)
    for number, (what, choice) in enumerate(script):
        if what == "live":
            status = endings[choice]
            filled = "2" if status == "filled" else "0"
            first = ("accepted",) if status == "filled" else ()
            w.live(number, *first, status, filled=filled)
        elif what == "nonce":
            w.add("nonce.reserved", floor=number * 10)
        elif what == "ban":
            w.add("ban.began", scope=f"s{choice}", until=5.0, for_s=1.0, at=w.at, reason="")
        elif what == "resume":
            w.add("journal.resumed", run=f"run{choice:02d}")
        elif what == "noise":
            w.add("attempt", request="time.read", client_order_id=None, failure=None)
        elif what == "day":
            w.at += choice * DAY
        else:
            w.records = pruned(w.records, before=w.at - (1 + choice) * DAY)
            last = w.records[-1]
            w.chain = Chain(seq=last.seq, tip=last.chain_hash)
        seen = {record.seq for record in whole}
        whole += [r for r in w.records if r.seq not in seen and r.kind not in (GAP, PRUNED)]
    assert check(w.records).holds
    before, after = MemoryStore(), history_of(w.records)
    before.write(*[r for r in whole if r.kind not in (GAP, PRUNED)])
    told = [(r.kind, decode_fields(r.data)) for r in before.records()]
    live = {}
    for kind, fields in told:
        if kind.startswith("order."):
            live[fields["order"]["client_order_id"]] = fields["order"].get("status")
    opened = {n for n, status in live.items() if status in (None, "accepted", "unknown")}
    assert opened <= set(after.orders)
    assert after.nonce_floor == max([0, *(f["floor"] for k, f in told if k == "nonce.reserved")])
    assert after.runs >= {f["run"] for k, f in told if k == "journal.resumed"}
    assert set(after.bans) == {f["scope"] for k, f in told if k == "ban.began"}


# Out of pieces.


def sealed(mended) -> list[Record]:
    last = mended.records[-1]
    chain = Chain(seq=last.seq, tip=last.chain_hash)
    return [*mended.records, chain.seal(SALVAGED, mended.licence(), at=last.at)]


def test_pieces_in_any_order_and_more_than_once_make_the_same_journal():
    records = a_long_life().records
    pieces = [*records, *records]
    random.Random(1).shuffle(pieces)
    mended = mend(pieces)
    assert list(mended.records) == records
    assert (mended.lost, mended.gaps, mended.count) == ((), (), len(records))


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 50)), st.sets(st.integers(2, 50)), st.randoms())
def test_every_whole_record_is_kept_as_it_was_and_what_is_lost_is_named(lost, changed, rng):
    records = a_long_life().records
    pieces = []
    for record in records:
        if record.seq in lost:
            continue
        is_changed = record.seq in changed
        pieces.append(replace(record, data=record.data + b" ") if is_changed else record)
    rng.shuffle(pieces)
    mended = mend(pieces)
    kept = {r.seq: r for r in mended.records if r.kind != GAP}
    if kept:
        assert verify(sealed(mended)) is None
    named = {n for first, last in mended.lost for n in range(first, last + 1)}
    end = max(kept, default=0)
    assert set(kept) | named == set(range(1, end + 1))
    assert not set(kept) & lost
    whole = [r for r in records if r.seq not in lost | changed and r.seq <= end]
    assert all(kept[r.seq] == r for r in whole)
    # What was changed is only taken where nothing can tell: right after a loss.
    for seq in set(kept) & changed:
        assert seq - 1 in named


def test_a_record_that_was_taken_without_proof_is_proved_by_the_licence_from_then_on():
    records = a_long_life().records
    made = sealed(mend([r for r in records if r.seq != 7]))
    assert verify(made) is None
    forged = [replace(r, data=r.data + b" ") if r.seq == 8 else r for r in made]
    assert verify(forged).seq == 8


def test_a_pruned_journal_is_mended_with_its_gaps():
    w = a_long_life()
    records = pruned(w.records, before=w.at - 30 * DAY)
    mended = mend(records)
    assert list(mended.records) == records
    assert not mended.lost
    without = [r for r in records if r.kind != GAP]
    assert verify(sealed(mend(without))) is None


def test_nothing_whole_is_nothing():
    assert mend([]).records == ()
    assert mend([Record(3, 1.0, GAP, encode_fields({"first": 7}), "x")]).count == 0
