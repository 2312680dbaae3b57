"""How a venue fares, plane by plane: evidence in, verdicts with reasons and hysteresis out."""

from outlast.core.health.evidence import Evidence, Witness
from outlast.core.health.verdict import HEALTH, HealthSettings, PlaneHealth, Verdict

__all__ = [
    "HEALTH",
    "Evidence",
    "HealthSettings",
    "PlaneHealth",
    "Verdict",
    "Witness",
]
