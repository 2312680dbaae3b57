"""Fault rules as data: what the client is told, what the engine does, what a stream does.

What the client is told (`Reply`) and what the engine does (`Effect`) are independent of each other.
Import these names from `model.py`, with all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from outlast.mock.engine.model import Product
from outlast.mock.scenario.vocabulary import EffectKind, StreamKind

__all__ = [
    "APPLY",
    "NO_EFFECT",
    "OK",
    "Effect",
    "FaultRule",
    "Latency",
    "Reply",
    "StreamFault",
    "Where",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the client is told; on `*.connect` it is the answer to the handshake.

    `kind` is `ok`, an alias of the venue (`overload`, `unknown`, …), or a raw reply. Raw replies
    and the fields they use:

    - `http`: `status`, `headers`, `body`;
    - `html`: `page` (`cdn-502`, `waf-403`, …);
    - `hang`: `seconds`, then the connection is closed without an answer;
    - `reset`: `at` (`connect`, `request`, `headers`, `body`);
    - `refuse`: nothing listens;
    - `dribble`: one byte at a time over `seconds`, `then` `ok` (complete) or `cut`;
    - `truncate`: `share` of the body, with the content-length of the whole;
    - `empty`: `status` and zero bytes;
    - `json`: `body`, a JSON text, with status 200.
    """

    kind: str = "ok"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    page: str = ""
    seconds: float = 0.0
    at: str = ""
    then: str = ""
    share: float = 1.0

    @property
    def is_normal(self) -> bool:
        return self.kind == "ok"


OK: Final = Reply()


@dataclass(frozen=True, slots=True)
class Effect:
    """What the engine does with the request, whatever the client is told.

    `value` is a share for `apply_share`, seconds for `apply_after` and `apply_then_void`, else 0.
    """

    kind: EffectKind
    value: float = 0.0


NO_EFFECT: Final = Effect("none")
APPLY: Final = Effect("apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """What a running stream does.

    - `mute`: nothing on `channels` (`*`: all) except on those in `keep`;
    - `delay`: everything `seconds` late;
    - `gap`, `dup`, `reorder`, `bad_checksum`: that `share` of the updates is lost, sent twice,
      swapped with the next one, or carries a wrong checksum;
    - `crossed`: that `share` of the book updates brings a bid above the best ask, and passes every
      check of integrity; it stays until the book is begun anew;
    - `frozen`: the book's stream goes on, and says over and over what it said last;
    - `close`: closed with `code` every `seconds`, counted from the start of the phase;
    - `no_pong`: pings stay unanswered; `expire_key`: the user stream's key dies;
    - `burst_on_resume`: `count` held-back messages at once;
    - `ack_only`: subscriptions are confirmed and nothing follows.
    """

    kind: StreamKind
    channels: tuple[str, ...] = ("*",)
    keep: tuple[str, ...] = ()
    seconds: float = 0.0
    share: float = 0.0
    code: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """Time in front of the engine: the median and the 99th percentile, in seconds."""

    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What must hold of a request besides its endpoint class; an empty field does not ask.

    Symbols are the scenario's own keys; types and channels are compared without regard to case.
    """

    product: tuple[Product, ...] = ()
    venue: tuple[str, ...] = ()
    symbol: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    reduces: bool | None = None
    post_only: bool | None = None
    nth: int | None = None
    """Only the n-th request of an account that gets as far as this rule."""
    share_of_keys: float | None = None
    """Only that share of the accounts, the same ones throughout: one broken shard."""

    @property
    def asks_nothing(self) -> bool:
        return self == Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One rule of a phase: the first whose `match`, `where` and `p` hold decides.

    A rule with neither `reply`, `effect` nor `stream` only adds latency and decides nothing.
    `effect` is None where `reply` implies it: `apply` with `ok`, else `none`.
    """

    id: str
    """`phase/index`, counted from 0; `adhoc/n` for a rule that was added while running."""
    match: tuple[str, ...]
    endpoints: frozenset[str]
    """The endpoint classes that `match` covers."""
    where: Where = Where()
    p: float = 1.0
    latency: Latency | None = None
    reply: Reply | None = None
    effect: Effect | None = None
    stream: StreamFault | None = None
    times: int | None = None
    """It decides at most so often; None: always."""
    line: int = 0

    @property
    def decides(self) -> bool:
        return self.reply is not None or self.effect is not None or self.stream is not None
