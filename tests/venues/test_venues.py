"""The list of venues, and what becomes of a name that is not in it."""

import subprocess
import sys

import pytest

from outlast.venues import binance_um, codec, venues


def test_the_codec_of_a_venue_is_its_module():
    assert venues() == ("binance-um",)
    assert [codec(venue).VENUE for venue in venues()] == ["binance-um"]
    assert codec("binance-um") is binance_um


def test_an_unknown_venue_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'bitmex' is unknown; available: binance-um"):
        codec("bitmex")


@pytest.mark.parametrize("venue", ["kraken-spot", "binance-spot"])
def test_a_planned_venue_is_said_to_be_planned(venue):
    with pytest.raises(ValueError, match=r"planned but not built yet; available now: binance-um"):
        codec(venue)


def test_a_codec_is_loaded_when_it_is_asked_for():
    code = (
        "import sys; from outlast.venues import codec; name = 'outlast.venues.binance_um'; "
        "assert name not in sys.modules; codec('binance-um'); assert name in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
