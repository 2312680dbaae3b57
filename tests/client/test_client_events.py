"""One stream of events, any number of readers, none of which can slow the session."""

import asyncio
import gc

from outlast.client.events import AccountRead, EventBus, EventsSkipped


def event(number):
    return AccountRead(what=str(number))


async def take(reader, count):
    return [await anext(reader) for _ in range(count)]


def test_every_reader_gets_every_event_in_order():
    async def story():
        bus = EventBus(10)
        readers = [bus.read(), bus.read()]
        for number in range(5):
            bus.publish(event(number))
        for reader in readers:
            assert await take(reader, 5) == [event(number) for number in range(5)]

    asyncio.run(story())


def test_a_reader_hears_what_happens_from_its_call_on_not_from_its_first_wait():
    async def story():
        bus = EventBus(10)
        bus.publish(event("before"))
        reader = bus.read()
        bus.publish(event("after"))
        assert await anext(reader) == event("after")

    asyncio.run(story())


def test_a_reader_waits_for_the_next_event():
    async def story():
        bus = EventBus(10)
        reader = bus.read()
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        bus.publish(event(1))
        assert await waiting == event(1)

    asyncio.run(story())


def test_a_slow_reader_loses_the_oldest_and_is_told_how_many():
    async def story():
        bus = EventBus(3)
        slow, quick = bus.read(), bus.read()
        seen = []
        for number in range(10):
            bus.publish(event(number))
            seen.append(await anext(quick))
        assert seen == [event(number) for number in range(10)]
        assert await take(slow, 4) == [EventsSkipped(count=7), event(7), event(8), event(9)]
        bus.publish(event(10))
        assert await anext(slow) == event(10)  # told once

    asyncio.run(story())


def test_a_reader_that_has_stopped_costs_nothing_any_more():
    async def story():
        bus = EventBus(3)
        stopped, dropped, kept = bus.read(), bus.read(), bus.read()
        bus.publish(event(1))
        await anext(stopped)
        await stopped.aclose()
        del dropped
        gc.collect()
        assert len(bus._readers) == 1
        bus.publish(event(2))
        assert await take(kept, 2) == [event(1), event(2)]

    asyncio.run(story())


def test_readers_wake_in_the_order_in_which_they_came():
    """A simulated night must repeat to the byte, and so must the order of those who listen."""

    async def story():
        bus = EventBus(3)
        woken = []

        async def listen(name, reader):
            await anext(reader)
            woken.append(name)

        # Kept alive together, so that their addresses in memory say nothing about their order.
        readers = [bus.read() for _ in range(40)]
        tasks = [asyncio.ensure_future(listen(n, r)) for n, r in enumerate(readers)]
        await asyncio.sleep(0)
        bus.publish(event(1))
        await asyncio.gather(*tasks)
        assert woken == list(range(40))

    asyncio.run(story())
