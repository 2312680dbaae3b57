"""Clients of all kinds in one outage after another, beside each other, against the bundled mock.

`python -m benchmarks.resilience --help`. The scenarios are in `scenarios.py`, the calls that every
client is asked to make in `trace.py`, the clients in `rest.py`, `policies.py`, `ccxt_client.py` and
`outlast_client.py`, one run in `trial.py`, what is measured in `figures.py`.
"""
