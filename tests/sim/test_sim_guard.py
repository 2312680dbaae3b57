"""Simulated code cannot reach the real world, and an attempt fails the run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from outlast import sim


def connect():
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", 9))


def bind():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))


ATTEMPTS = {
    "connect": connect,
    "bind": bind,
    "resolve": lambda: socket.getaddrinfo("localhost", 80),
    "thread": lambda: threading.Thread(target=print).start(),
    "process": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
    "system": lambda: os.system("true"),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_fails_the_run_even_when_it_is_swallowed(name):
    async def main():
        with contextlib.suppress(Exception):
            ATTEMPTS[name]()
        await asyncio.sleep(1)
        pytest.fail("the run went on")

    with pytest.raises(sim.RealWorldReached, match=r"t=0\.0"):
        sim.run(main, seed=1)


def test_an_attempt_in_the_last_round_fails_the_run():
    async def main():
        with contextlib.suppress(Exception):
            connect()

    with pytest.raises(sim.RealWorldReached):
        sim.run(main, seed=1)


def test_an_error_that_followed_from_the_attempt_does_not_hide_it():
    async def main():
        with contextlib.suppress(RuntimeError):
            connect()
        await asyncio.sleep(0)
        raise ConnectionError("as a client library would say")

    with pytest.raises(sim.RealWorldReached):
        sim.run(main, seed=1)


def test_a_real_sleep_is_refused_where_time_is_not_patched():
    async def main():
        time.sleep(0.001)

    with pytest.raises(sim.RealWorldReached, match="sleep"):
        sim.run(main, seed=1, patch=False)


def test_watching_a_real_descriptor_is_refused():
    async def main():
        left, right = socket.socketpair()
        with left, right:
            asyncio.get_running_loop().add_reader(left, print)

    with pytest.raises(sim.RealWorldReached, match="real file or socket"):
        sim.run(main, seed=1)


def test_a_real_socket_handed_in_is_refused():
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            with pytest.raises(sim.RealWorldReached, match="host and port"):
                await loop.create_connection(asyncio.Protocol, sock=sock)
            with pytest.raises(sim.RealWorldReached, match="host and port"):
                await loop.create_server(asyncio.Protocol, sock=sock)

    sim.run(main, seed=1)


def test_what_is_not_simulated_is_refused_in_words():
    async def main():
        loop = asyncio.get_running_loop()
        refused = [
            loop.create_unix_connection(asyncio.Protocol, "/tmp/x"),
            loop.create_unix_server(asyncio.Protocol, "/tmp/x"),
            loop.create_datagram_endpoint(asyncio.DatagramProtocol),
            loop.connect_read_pipe(asyncio.Protocol, None),
            loop.connect_write_pipe(asyncio.Protocol, None),
            loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
            loop.subprocess_shell(asyncio.SubprocessProtocol, "true"),
        ]
        for attempt in refused:
            with pytest.raises(sim.RealWorldReached):
                await attempt
        tls = [
            loop.create_connection(asyncio.Protocol, "localhost", 443, ssl=True),
            loop.create_server(asyncio.Protocol, "localhost", 443, ssl=True),
            loop.start_tls(None, None, None),
        ]
        for attempt in tls:
            with pytest.raises(sim.SimulationError, match="TLS is not simulated"):
                await attempt

    sim.run(main, seed=1)


def test_other_threads_of_the_process_are_left_alone():
    go, done, failures = threading.Event(), threading.Event(), []

    def outside():
        go.wait()
        try:
            before = time.monotonic()
            time.sleep(0.001)
            assert time.monotonic() > before
            socket.create_server(("127.0.0.1", 0)).close()
        except (AssertionError, sim.SimulationError) as error:
            failures.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=outside)
    thread.start()

    async def main():
        go.set()
        done.wait()

    sim.run(main, seed=1)
    thread.join()
    assert not failures


def test_after_the_run_nothing_is_refused():
    async def main():
        pass

    sim.run(main, seed=1)
    with socket.create_server(("127.0.0.1", 0)):
        pass


def test_a_thread_that_calls_into_the_loop_is_refused():
    refused = []

    async def main():
        loop = asyncio.get_running_loop()
        go.append(lambda: loop.call_soon_threadsafe(print))
        ready.set()
        done.wait()

    def outside():
        ready.wait()
        try:
            go[0]()
        except sim.RealWorldReached as error:
            refused.append(error)
        done.set()

    go, ready, done = [], threading.Event(), threading.Event()
    thread = threading.Thread(target=outside)
    thread.start()
    sim.run(main, seed=1)
    thread.join()
    assert len(refused) == 1
