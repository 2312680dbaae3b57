"""`python -m benchmarks [NAME ...]` runs every benchmark, or those named; `--list` lists them."""

from __future__ import annotations

import runpy
import sys
from typing import Final

BENCHMARKS: Final = {
    "rest": "one signed order over REST, beside python-binance, ccxt and httpx",
    "guard": "what the guard adds to a call that succeeds, beside the usual stack",
    "journal": "what the journal adds to an order, beside plain appends",
    "book": "local order books from raw bytes, beside ccxt.pro, cryptofeed, order-book and others",
    "book_socket": "order books from the socket, beside ccxt.pro",
    "resilience": "outages, beside no retry and tenacity; every peer with --full",
    "mock_load": "the mock under ten thousand requests a minute",
    "planted_bugs": "how many seeded trials it takes to find each of the planted bugs",
}


def main() -> None:
    names = sys.argv[1:]
    if names == ["--list"]:
        for name, what in BENCHMARKS.items():
            print(f"{name:12} {what}")
        return
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        print(f"\n== {name}: {BENCHMARKS[name]}")
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
