"""How many bad units a source may hold before a build stops."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

from curation.errors import DataError

FLOOR: Final = 20  # units that are always tolerated: 1 % of a small file is nothing
_SHOWN: Final = 3
_DETAIL: Final = 200


def check_budget(
    source_name: str, units: int, bad_reasons: Counter[str], max_bad: float, first: Mapping[str, tuple[int, str]]
) -> None:
    """DataError if more units are bad than tolerated; `first`: for each reason a line, and what is wrong there."""
    bad = bad_reasons.total()
    allowed = max(FLOOR, math.ceil(round(max_bad * units, 6)))
    if bad <= allowed:
        return
    ranked = sorted(bad_reasons.items(), key=lambda item: (-item[1], item[0]))
    causes = [f"{reason} {count:,} (first at line {first[reason][0]})" for reason, count in ranked[:_SHOWN]]
    more = f", {len(ranked) - _SHOWN} more causes" if len(ranked) > _SHOWN else ""
    line, said = first[ranked[0][0]]
    raise DataError(
        f"{source_name}: {bad:,} of {units:,} units cannot be read, {allowed:,} are tolerated: "
        f"{', '.join(causes)}{more}; mend the file or raise max_bad; line {line}: {shortened(said)}"
    )


def shortened(text: str) -> str:
    return text if len(text) <= _DETAIL else text[:_DETAIL] + "..."
