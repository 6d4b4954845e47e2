"""Why a queue has nothing to show: an empty one is told from one that is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.review.queues import Candidate, QueueSettings

_NAMED = 8  # values of a slice that a message names


def nothing_left(frame: Sequence[Candidate], settings: QueueSettings, why_no_flips: str, disputed: int) -> str:
    """`why_no_flips` as eval.review.flips says it; `disputed`: outputs here on which people differ."""
    match settings.queue:
        case "flips" if why_no_flips:
            return why_no_flips
        case "low confidence" if all(one.confidence is None for one in frame):
            return "none of these outputs has the probabilities of its tokens, so none is known to be unsure"
        case "disagreement" if not disputed:
            return "there is no output here of which two people said different things"
        case "slice" if settings.slice is not None and not _in_slice(frame, *settings.slice):
            return _no_slice(frame, *settings.slice)
    return f"you have judged all that is in the queue {settings.queue}"


def _in_slice(frame: Sequence[Candidate], name: str, value: str) -> bool:
    return any(one.slices.get(name) == value for one in frame)


def _no_slice(frame: Sequence[Candidate], name: str, value: str) -> str:
    known = Counter(one.slices[name] for one in frame if name in one.slices)
    if not known:
        return f'no item here has a field "{name}"'
    told = ", ".join(f"{found} ({count:,})" for found, count in known.most_common(_NAMED))
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return f"no item here has {name}={value}; its values: {told}{more}"
