"""Seeded trials: a client and the mock venue in one simulation, everything drawn from one number.

`generator` draws a `Trial` from a seed, `world` plays it, `checker` watches it, `runner` plays many.
"""
