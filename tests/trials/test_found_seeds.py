"""Seeds that once found a bug: each stays a test for good.

To add one: mend the bug, then write its seed into `FOUND`, with what it had found in one line, and
the scenario where one was named. A change of the generator deals new trials to old seeds; where
that happens to one of these, look for another seed that finds the old bug (plant it again, see
`planted/`), and replace the number. Those of `FOUND` are played without streams and sockets, as
when they were found.
"""

from __future__ import annotations

import pytest
from test_trial_seeds import told

from outlast.trials.runner import play

FOUND: dict[tuple[int, str | None], str] = {
    (4, None): "a position of just before a crash is given up for the zero of a lie",
    (3, None): "a ban is forgotten with the process that was told of it",
    (6, None): "a fill is added to a position that was read after it",
    (8, None): "after a step of our clock a live order counts as an older namesake",
    (9, None): "a position that another report of fills explains stays doubted for ever",
    (21, None): "a zero balance is believed as the first read after a restart",
    (25, None): "an exit waits past its deadline for a question that is not answered",
    (31, None): "a proof of absence takes a minute and a half of a healthy venue",
    (32, None): "a report that is older than a fill undoes it",
    (38, None): "an id comes again after a loss of power that took all orders",
    (40, None): "a fill is handed out as the whole while another order has filled unheard",
    (53, None): "an order that is gone from list and query is held for open for ever",
    (57, None): "a repeated zero buries a fill that is heard of late",
    (66, None): "new risk goes out before anything is reconciled",
    (120, None): "what became of an order is never written, after a full disk",
    (147, None): "two tasks ask for the same fills, and the later one finds nothing short",
    (106, None): "a second list of fills takes back a fill that the first had told",
    (129, None): "a request that was sent just before a crash is no attempt in the journal",
    (131, None): "probes use up the limits that the questions about lost orders wait for",
    (157, None): "symbols stay halted after an outage in which the process died",
    (177, None): "symbols are still reducing long after an outage",
    (185, None): "an order that the venue has cut to the position reads filled with less",
    (199, None): "a list that is false about one position is believed about the others",
    (245, None): "a fill of after the answer counts as part of the zero that it told",
    (304, None): "an empty list is the word on a symbol that nobody had a position in",
    (370, None): "fills that no report had shown yet are forgotten by a restart",
    (584, None): "flat is handed out as of the list, though a resting order had filled before",
    (101, None): "a timestamp that is refused keeps a ban up and the measured time out",
    (391, None): "an order stays unknown for as long as the venue refuses our timestamps",
    (455, None): "a zero is written down as sure while fills of after it are known",
    (498, None): "probes on the way back use up the limits that proofs wait for",
    (711, None): "an exit that waits for lost orders uses up what their proofs need",
    (771, None): "after a restart a fill of after the answer counts as part of its zero",
    (811, None): "a probe tells again of a breaker that a call had moved meanwhile",
    (988, None): "a fill of an order that was sent after the answer counts as part of it",
    (1751, None): "probes whose timestamp is refused open the breaker of a sound plane",
    (1771, None): "a zero is handed out as sure while an order is unknown that may have moved it",
}
"""(seed, scenario or None) -> what it found."""


@pytest.mark.parametrize(("seed", "scenario"), FOUND, ids=FOUND.values())
def test_what_was_found_once_stays_mended(seed, scenario):
    result = play(seed, scenario=scenario, streams=False, order_entry="rest")
    assert result.ok, told(result)


FOUND_ON_PATHS: dict[tuple[str, int], str] = {
    ("kraken-spot", 1): "what a token that is refused turns away is no attempt in the journal",
    ("kraken-spot", 12): "proofs that ask half of a question each leave none its other half",
    ("kraken-spot", 14): "a lockout that a stranger has brought about outlasts the trial",
    ("kraken-spot", 43): "lookups of lost orders leave nothing of the counter for the balances",
    ("kraken-spot", 47): "a cancel by socket that waits for its pair counts as overtaken",
    ("kraken-spot", 96): "a fence by socket waits for its pair's counter, and not for a status",
    (
        "kraken-spot",
        105,
    ): "three lost orders are proved absent one after the other, for four minutes",
    ("kraken-spot", 124): "a disk stays full for ever whose end falls between two instants",
    ("binance-spot", 159): "nobody can read positions on spot before risk comes back",
}
"""(venue, seed) -> what was found when clients listened to streams and traded by socket.

Some of it was wrong with the trial: it stays, so that its mending does.
"""


@pytest.mark.parametrize(("venue", "seed"), FOUND_ON_PATHS, ids=FOUND_ON_PATHS.values())
def test_what_was_found_on_other_paths_stays_mended(venue, seed):
    result = play(seed, venue=venue)
    assert result.ok, told(result)
