import errno
import socket

import httpx
import pytest

from outlast import sim
from outlast.backends.dialling import dial_fault
from outlast.backends.http import HttpxTransport
from outlast.wire import FaultKind, HttpRequest, TransportFault


def os_error(number: int) -> OSError:
    return OSError(number, "as the system says it")


def wrapped(*causes: BaseException) -> httpx.ConnectError:
    """As httpx over anyio raises it: its own error, from a group of what each address gave."""
    outer = httpx.ConnectError("All connection attempts failed")
    middle = OSError("All connection attempts failed")
    middle.__cause__ = causes[0] if len(causes) == 1 else BaseExceptionGroup("all", list(causes))
    outer.__cause__ = middle
    return outer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wrapped(socket.gaierror(socket.EAI_AGAIN, "try again")), FaultKind.NAME_UNRESOLVED),
        (wrapped(socket.gaierror(socket.EAI_NONAME, "no such")), FaultKind.NAME_UNRESOLVED),
        (wrapped(os_error(errno.ENETUNREACH)), FaultKind.NO_ROUTE),
        (wrapped(os_error(errno.EHOSTUNREACH)), FaultKind.NO_ROUTE),
        (wrapped(os_error(errno.EMFILE)), FaultKind.NO_ROUTE),
        (wrapped(os_error(errno.ECONNREFUSED)), FaultKind.CONNECT_FAILED),
        (os_error(errno.ENETDOWN), FaultKind.NO_ROUTE),
        (httpx.ConnectError("nothing known"), FaultKind.CONNECT_FAILED),
        # IPv6 has no route, IPv4 was refused: somebody out there answered.
        (
            wrapped(os_error(errno.ENETUNREACH), os_error(errno.ECONNREFUSED)),
            FaultKind.CONNECT_FAILED,
        ),
    ],
)
def test_the_system_error_inside_tells_whose_fault_it_is(error, kind):
    assert dial_fault(error) is kind


def test_a_circle_of_causes_ends():
    one, two = OSError("one"), OSError("two")
    one.__cause__, two.__cause__ = two, one
    assert dial_fault(one) is FaultKind.CONNECT_FAILED


def test_our_own_faults_are_the_ones_that_never_reached_anybody():
    ours = {kind for kind in FaultKind if kind.is_ours}
    assert all(kind.nothing_sent for kind in ours)
    assert FaultKind.CONNECT_FAILED not in ours
    assert FaultKind.CONNECT_TIMEOUT not in ours


def test_a_name_that_nobody_resolves_is_our_own_fault_in_the_simulation_too():
    async def main():
        transport = HttpxTransport(sim.clock())
        fault = await transport.send(HttpRequest(method="GET", url="http://api.nowhere.test/x"))
        await transport.aclose()
        return fault

    fault = sim.run(main, seed=1, time_limit_s=60)
    assert isinstance(fault, TransportFault)
    assert fault.kind is FaultKind.NAME_UNRESOLVED
