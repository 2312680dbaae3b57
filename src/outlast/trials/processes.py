"""One user's program in a trial: started, killed and started again, with what its disk kept.

Everything that a process does runs inside a simulated process of its own, so that a kill or a
freeze takes all of it. What the rest of the trial knows of it is here, and survives it.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeVar

from outlast import sim
from outlast.client.connect import connect
from outlast.client.session import Session
from outlast.client.settings import Settings
from outlast.core.limiter import SLOTS, SlotSettings
from outlast.core.recovery import RecoverySettings
from outlast.errors import OutlastError
from outlast.model import OrderRequest
from outlast.trials.disk import Disk
from outlast.trials.model import Action, ActionKind, ClientPlan
from outlast.trials.strategies import perform
from outlast.trials.watching import Answer, Asked, End, Ending
from outlast.wire import Record

__all__ = ["SimulatedClient", "Stage"]

T = TypeVar("T")

_RECOVERY: Final = RecoverySettings(cool_down_s_max=60.0)
"""The quiet end of a trial is shorter than its outages: nobody could see the cool-downs end that
last as long as they did."""
_FEW_SLOTS: Final = SlotSettings(safety=1, orders=2, reads=3, reconcile=1)
REOPEN_AFTER_S: Final = 5.0
"""When a session could not be opened it is opened again, as whoever keeps a bot running does."""


class Stage(Protocol):
    """What the world offers its clients."""

    @property
    def now_s(self) -> float: ...
    def next_number(self) -> int: ...
    def session_opened(self, client: SimulatedClient) -> None: ...
    def session_ended(self, client: SimulatedClient, how: Ending) -> None: ...
    def recorded(self, client: SimulatedClient, record: Record) -> None: ...
    def asked(self, client: SimulatedClient, asked: Asked) -> None: ...
    def answered(self, client: SimulatedClient, asked: Asked, answer: Answer) -> None: ...
    def found(self, invariant: str, detail: str) -> None:
        """A violation that shows without a checker."""
        ...


class SimulatedClient:
    """The program of one `ClientPlan`, over all its processes."""

    def __init__(
        self,
        stage: Stage,
        plan: ClientPlan,
        *,
        endpoints: Mapping[str, str],
        key: str,
        secret: str,
    ) -> None:
        self.plan = plan
        self.name, self.venue = plan.name, plan.venue
        self.account = plan.name
        self.clock = sim.clock().skewed(0.0)
        self.disk = Disk(self.clock.now, rng=sim.random(f"disk/{plan.name}"))
        self.disk.on_write = lambda record: stage.recorded(self, record)
        self.session: Session | None = None
        self.incarnation = 0
        self.process: sim.Process | None = None
        self._stage = stage
        self._endpoints, self._key, self._secret = endpoints, key, secret
        self._actions = sorted(plan.actions, key=lambda action: action.at_s)
        self._begun = 0  # so many of them have been begun, or missed
        self._run: _Run | None = None

    def __repr__(self) -> str:
        return f"<{self.name} #{self.incarnation}>"

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.is_alive

    @property
    def is_frozen(self) -> bool:
        return self.process is not None and self.process.is_frozen

    def start(self) -> None:
        """Start a process on what the disk has. What was to be done meanwhile is missed."""
        assert not self.is_alive
        self.incarnation += 1
        while self._actions[self._begun :] and self._actions[self._begun].at_s < self._stage.now_s:
            self._begun += 1
        with sim.network().process(self.name) as process:
            self.process = process
            self._run = _Run(self, self._stage, process)
            self._run.begin()

    def died(self, how: Ending) -> None:
        """Its process is dead: what it had asked for is never answered."""
        assert self._run is not None
        self._run.cut_off()
        self._stage.session_ended(self, how)  # also one that was only being opened
        self.session = None

    async def reconcile(self) -> None:
        """Compare everything with the venue, if a session is open."""
        if self._run is not None and self.session is not None and self.is_alive:
            await self._run.outside(ActionKind.RECONCILE)

    async def stop(self) -> None:
        """Let the program end in order."""
        if self._run is not None and self.is_alive:
            await self._run.stop()

    # For the process.

    def open_session(self) -> Session:
        """Prepare a session on the disk's journal.

        Raises:
            ConfigurationError: the disk is full.
        """
        seed = sim.random(f"session/{self.name}").getrandbits(32)
        return connect(
            self.venue,
            key=self._key,
            secret=self._secret,
            endpoints=self._endpoints,
            journal=self.disk.open(),
            clock=self.clock,
            settings=Settings(
                seed=seed,
                recovery=_RECOVERY,
                streams=self.plan.streams,
                order_entry=self.plan.order_entry,
                slots=_FEW_SLOTS if self.plan.has_few_slots else SLOTS,
            ),
        )

    def next_action(self) -> Action | None:
        return self._actions[self._begun] if self._begun < len(self._actions) else None

    def begin_action(self) -> None:
        self._begun += 1


class _Run:
    """One process, from its start to its end or death."""

    def __init__(self, client: SimulatedClient, stage: Stage, process: sim.Process) -> None:
        self._client, self._stage, self._process = client, stage, process
        self._waiting: dict[int, Asked] = {}
        self._strategies: dict[asyncio.Task[None], None] = {}  # in the order of their beginning
        self._ending = asyncio.Event()
        self._living: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._living = asyncio.get_running_loop().create_task(self._live())

    async def stop(self) -> None:
        assert self._living is not None
        self._ending.set()
        await asyncio.wait({self._living})

    def cut_off(self) -> None:
        """Nothing that is under way will be answered."""
        waiting, self._waiting = self._waiting, {}
        for asked in waiting.values():
            self._tell(asked, End.CUT_OFF)

    async def outside(self, kind: ActionKind) -> None:
        """Do something that is not of the plan, as the program."""
        assert self._process.context is not None
        action = Action(at_s=self._stage.now_s, kind=kind, symbol="")
        task = asyncio.get_running_loop().create_task(
            self._act(action), context=self._process.context.copy()
        )
        await asyncio.wait({task})

    # Inside the process.

    async def _live(self) -> None:
        while not self._ending.is_set():
            await self._one_session()
            if not self._ending.is_set():
                await asyncio.sleep(REOPEN_AFTER_S)

    async def _one_session(self) -> None:
        client, how = self._client, Ending.UNOPENED
        try:
            async with client.open_session() as session:
                how = Ending.CLOSED
                client.session = session
                self._stage.session_opened(client)
                try:
                    await self._trade()
                finally:
                    await self._end_strategies()
        except OutlastError as error:
            if how is not Ending.UNOPENED:
                how = self._failed(error)
        except Exception as error:  # noqa: BLE001 whatever it is, the trial tells of it
            how = self._failed(error)
        if self._process.is_alive:
            self._stage.session_ended(client, how)
            client.session = None

    def _failed(self, error: Exception) -> Ending:
        if self._process.is_alive:
            self._stage.found("session-stays-up", f"{self._client!r}: {_told(error)}")
        return Ending.FAILED

    async def _trade(self) -> None:
        """Begin each action at its time; return when the program is to end."""
        client, loop = self._client, asyncio.get_running_loop()
        while (action := client.next_action()) is not None and not self._ending.is_set():
            wait_s = action.at_s - self._stage.now_s
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            client.begin_action()
            task = loop.create_task(self._act(action))
            self._strategies[task] = None
            task.add_done_callback(self._strategies.pop)
            if action.gives_up_after_s is not None:
                loop.call_later(action.gives_up_after_s, task.cancel)
        await self._ending.wait()

    async def _end_strategies(self) -> None:
        tasks = list(self._strategies)
        self.cut_off()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _act(self, action: Action) -> None:
        session = self._client.session
        assert session is not None
        try:
            await perform(action, session, _ActionDesk(self, action))
        except (OutlastError, TimeoutError):
            return  # an answer like any other: whoever watches has been told
        except Exception as error:  # noqa: BLE001 whatever it is, the trial tells of it
            if self._process.is_alive:
                self._stage.found(
                    "strategy-saw-a-bug", f"{self._client!r} {action.kind.value}: {_told(error)}"
                )

    # The calls.

    def ask(self, action: Action, call: str, **what: object) -> Asked:
        asked = Asked(
            number=self._stage.next_number(),
            client=self._client.name,
            incarnation=self._client.incarnation,
            action=action,
            call=call,
            at_s=self._stage.now_s,
            **what,  # type: ignore[arg-type]
        )
        if self._process.is_alive:
            self._waiting[asked.number] = asked
            self._stage.asked(self._client, asked)
        return asked

    def answer(
        self,
        asked: Asked,
        end: End,
        *,
        value: object = None,
        error: OutlastError | TimeoutError | None = None,
    ) -> None:
        if self._waiting.pop(asked.number, None) is not None:
            self._tell(asked, end, value=value, error=error)

    def _tell(
        self,
        asked: Asked,
        end: End,
        *,
        value: object = None,
        error: OutlastError | TimeoutError | None = None,
    ) -> None:
        answer = Answer(end=end, at_s=self._stage.now_s, value=value, error=error)
        self._stage.answered(self._client, asked, answer)


class _ActionDesk:
    """Makes the calls of one action."""

    def __init__(self, run: _Run, action: Action) -> None:
        self._run, self._action = run, action

    async def ask(
        self,
        call: str,
        work: Callable[[], Awaitable[T]],
        *,
        symbol: str = "",
        order: OrderRequest | None = None,
        client_order_id: str | None = None,
        deadline_s: float | None = None,
    ) -> T:
        asked = self._run.ask(
            self._action,
            call,
            symbol=symbol,
            order=order,
            client_order_id=client_order_id,
            deadline_s=deadline_s,
        )
        try:
            value = await work()
        except asyncio.CancelledError:
            self._run.answer(asked, End.GIVEN_UP)
            raise
        except (OutlastError, TimeoutError) as error:
            self._run.answer(asked, End.RAISED, error=error)
            raise
        except Exception:
            self._run.answer(asked, End.CUT_OFF)  # a bug, told of as such
            raise
        self._run.answer(asked, End.RETURNED, value=value)
        return value


def _told(error: BaseException) -> str:
    """An exception and where it came from, on one line."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(each) for each in error.exceptions)
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " > ".join(f"{_short(frame.filename)}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__}: {error} ({places})"


def _short(path: str) -> str:
    return path.replace("\\", "/").rpartition("/src/")[2].rpartition("/site-packages/")[2]
