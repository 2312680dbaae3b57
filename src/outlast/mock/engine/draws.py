"""Chances that are functions of their arguments, not of a stream's position.

Integer arithmetic only, so that every platform draws the same.
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["key_of", "mix"]

_MASK = (1 << 64) - 1


def key_of(*parts: object) -> int:
    """A 64-bit number that stands for these parts (by their text)."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def mix(number: int) -> int:
    """Scatter a number over 64 bits: the finaliser of SplitMix64 (Steele, Lea, Flood, 2014)."""
    number &= _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
