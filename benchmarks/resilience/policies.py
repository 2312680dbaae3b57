"""The field's ways to go on after a failure, each as its documentation has it."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import httpx
import tenacity

from benchmarks.resilience.rest import VenueError
from benchmarks.resilience.trace import Call

__all__ = ["POLICIES", "Held", "Policy", "make_policy", "missing_for"]

Attempt = Callable[[], Awaitable[None]]


class Held(Exception):
    """The client turned the call away by itself."""


class Policy(Protocol):
    """Runs `attempt` as often as it sees fit; raises what is left of a failure."""

    async def __call__(self, call: Call, attempt: Attempt) -> None: ...


async def no_retry(call: Call, attempt: Attempt) -> None:
    await attempt()


async def naive_tenacity(call: Call, attempt: Attempt) -> None:
    """tenacity as its README begins: any failure, ten times, a second apart."""
    await _tenacity(attempt, tenacity.stop_after_attempt(10), tenacity.wait_fixed(1))


async def _tenacity(attempt: Attempt, stop: Any, wait: Any) -> None:
    retrying = tenacity.AsyncRetrying(stop=stop, wait=wait, sleep=asyncio.sleep, reraise=True)
    await retrying(attempt)


def stamina_defaults() -> Policy:
    stamina = importlib.import_module("stamina")
    stamina.instrumentation.set_on_retry_hooks([])  # it prints every retry where structlog is
    caller = stamina.AsyncRetryingCaller()  # 10 attempts, 45 s, 0.1 s doubling to 5 s, jitter 1 s

    async def policy(call: Call, attempt: Attempt) -> None:
        await caller(httpx.HTTPError, attempt)

    return policy


BOTO_TRANSIENT: Final = frozenset({500, 502, 503, 504})


def botocore_standard() -> Policy:
    """botocore's standard mode: its own token bucket and costs, 3 attempts, its back-off."""
    quota_module = importlib.import_module("botocore.retries.quota")
    standard = importlib.import_module("botocore.retries.standard")
    quota = quota_module.RetryQuota()
    costs = standard.RetryQuotaChecker
    transient, throttled = costs._RETRY_COST, costs._THROTTLING_RETRY_COST  # noqa: SLF001
    rng = random.Random(7)

    async def policy(call: Call, attempt: Attempt) -> None:
        taken = 0
        for number in range(1, 4):
            try:
                await attempt()
            except httpx.HTTPError as error:
                status = error.status if isinstance(error, VenueError) else None
                retryable = status is None or status in BOTO_TRANSIENT or status == 429
                cost = throttled if status == 429 else transient
                if not retryable or number == 3 or not quota.acquire(cost):
                    raise
                taken = cost
                first_s = 1.0 if status == 429 else 0.05
                await asyncio.sleep(rng.random() * min(first_s * 2 ** (number - 1), 20))
            else:
                quota.release(taken or 1)
                return

    return policy


def purgatory(key: Callable[[Call], str]) -> Policy:
    """purgatory's defaults (5 failures in a row, 30 s) around tenacity with 3 attempts."""
    module = importlib.import_module("purgatory")
    breakers = module.AsyncCircuitBreakerFactory()
    opened = importlib.import_module("purgatory.domain.model").OpenedState

    async def policy(call: Call, attempt: Attempt) -> None:
        async def guarded() -> None:
            async with await breakers.get_breaker(key(call)):
                await attempt()

        try:
            retrying = tenacity.AsyncRetrying(
                stop=tenacity.stop_after_attempt(3),
                wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
                retry=tenacity.retry_if_exception_type(httpx.HTTPError),
                sleep=asyncio.sleep,
                reraise=True,
            )
            await retrying(guarded)
        except opened as error:
            raise Held from error

    return policy


def _domain(call: Call) -> str:
    plane = "reads" if call.kind.is_read else "orders"
    return f"{call.venue} {plane}"


POLICIES: Final[dict[str, tuple[str | None, Callable[[], Policy]]]] = {
    "no retry": (None, lambda: no_retry),
    "naive tenacity": (None, lambda: naive_tenacity),
    "stamina": ("stamina", stamina_defaults),
    "botocore quota": ("botocore", botocore_standard),
    "purgatory, one for the venue": ("purgatory", lambda: purgatory(lambda call: "binance")),
    "purgatory, one per domain": ("purgatory", lambda: purgatory(_domain)),
    "httpx-retries": ("httpx-retries", lambda: no_retry),
}
"""By name: the package it needs, and how it is made."""


def missing_for(name: str) -> str | None:
    """The package that this client needs and that is not installed."""
    package = POLICIES[name][0]
    if package is None:
        return None
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return package
    return None


def make_policy(name: str) -> tuple[Policy, httpx.AsyncBaseTransport | None]:
    """The policy, and the transport that it comes with where it works below httpx."""
    policy = POLICIES[name][1]()
    if name != "httpx-retries":
        return policy, None
    module = importlib.import_module("httpx_retries")
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    return policy, module.RetryTransport(transport=httpx.AsyncHTTPTransport(limits=limits))
