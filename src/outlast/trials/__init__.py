"""Seeded trials: clients and mock venues in one simulation, everything drawn from one number.

`generator` draws a `Trial` from a seed, `world` plays it, `checker` watches, `runner` plays many.
"""
