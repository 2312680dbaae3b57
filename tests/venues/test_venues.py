"""The list of venues, and what becomes of a name that is not in it."""

import subprocess
import sys

import pytest

from outlast.venues import binance_spot, binance_um, codec, kraken_spot, venues


def test_the_codec_of_a_venue_is_its_module():
    assert venues() == ("binance-spot", "binance-um", "kraken-spot")
    assert tuple(codec(venue).VENUE for venue in venues()) == venues()
    assert codec("binance-spot") is binance_spot
    assert codec("binance-um") is binance_um
    assert codec("kraken-spot") is kraken_spot


def test_an_unknown_venue_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'bitmex' is unknown; available: binance-spot, "):
        codec("bitmex")


def test_a_codec_is_loaded_when_it_is_asked_for():
    code = (
        "import sys; from outlast.venues import codec; name = 'outlast.venues.binance_um'; "
        "assert name not in sys.modules; codec('binance-um'); assert name in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
