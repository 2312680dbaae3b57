"""Local order books that know when they are not the venue's any more. Machines without I/O."""

from outlast.core.books.checksums import ChecksumBook
from outlast.core.books.diffs import DiffBook, FuturesDiffBook, SpotDiffBook
from outlast.core.books.digits import Digits, ExactDigits, FloatDigits, digits_for
from outlast.core.books.local import LocalBook
from outlast.core.books.resync import RESYNC, ResyncPlan, ResyncSettings
from outlast.core.books.trust import (
    BOOKS,
    Action,
    BookSettings,
    Distrust,
    NeedSnapshot,
    Resubscribe,
)
from outlast.core.books.view import BookPeek, BookView, Sweep

__all__ = [
    "BOOKS",
    "RESYNC",
    "Action",
    "BookPeek",
    "BookSettings",
    "BookView",
    "ChecksumBook",
    "DiffBook",
    "Digits",
    "Distrust",
    "ExactDigits",
    "FloatDigits",
    "FuturesDiffBook",
    "LocalBook",
    "NeedSnapshot",
    "Resubscribe",
    "ResyncPlan",
    "ResyncSettings",
    "SpotDiffBook",
    "Sweep",
    "digits_for",
]
