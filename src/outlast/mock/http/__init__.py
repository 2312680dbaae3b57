"""The mock's HTTP server: ordinary answers, and every way in which one can go wrong."""

from outlast.mock.http.plans import (
    Answer,
    Deliver,
    Delivery,
    Dribble,
    Hang,
    HttpMessage,
    Refuse,
    ReplyPlan,
    Reset,
    ResetAt,
    Truncate,
)

__all__ = [
    "Answer",
    "Deliver",
    "Delivery",
    "Dribble",
    "Hang",
    "HttpMessage",
    "Refuse",
    "ReplyPlan",
    "Reset",
    "ResetAt",
    "Truncate",
]
