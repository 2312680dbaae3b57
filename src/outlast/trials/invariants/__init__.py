"""The invariants of a trial: what they say (`registry`), and one module for each family of checks.

To add one: a row in `registry.INVARIANTS`, and its check in the family that sees what it needs.
"""

from outlast.trials.invariants.registry import INVARIANTS, Invariant, Kind, by_slug, numbered

__all__ = ["INVARIANTS", "Invariant", "Kind", "by_slug", "numbered"]
