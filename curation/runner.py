"""Runs stages one after the other: counts, keeps what each dropped and noted, and stops where a row is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from curation.accounts import StageAccount, account, counts
from curation.errors import DataError
from curation.gather import Gathered
from curation.progress import Progress
from curation.stages.user import UserStage
from curation.tables import Verdict

Stage = Callable[[Any, Any], Verdict]


class Runner:
    """The stages so far; `reading` is the account of what came before the first."""

    def __init__(
        self, progress: Progress, reading: StageAccount, gathered: Gathered, own: Sequence[UserStage] = ()
    ) -> None:
        self.accounts = [reading]
        self.dropped = [("read", gathered.dropped)]
        self.flagged = [("read", gathered.flagged)]
        self._progress = progress
        self._own = own

    def stage(self, name: str, stage: Stage, rows: Any, config: Any) -> Any:
        """Run one stage, then the user's own that follow it, and return the rows they kept."""
        self._progress.stage(name, rows.num_rows)
        clock = time.perf_counter()
        verdict = stage(rows, config)
        self.record(name, rows.num_rows, verdict.kept.num_rows, verdict.dropped, verdict.flagged, clock)
        rows = verdict.kept
        for own in self._own:
            if own.spec.after == name:
                rows = self.stage(own.name, own, rows, own.spec.config)
        return rows

    def record(self, name: str, rows_in: int, kept: int, dropped: Any, flagged: Any, clock: float) -> None:
        """Count a stage that began at `clock` (time.perf_counter)."""
        self.accounts.append(account(name, rows_in, kept, dropped, flagged, time.perf_counter() - clock))
        self.dropped.append((name, dropped))
        self.flagged.append((name, flagged))

    def refuse_nothing_left(self) -> None:
        if self.accounts[-1].kept:
            return
        reasons: dict[str, int] = {}
        for _, dropped in self.dropped:
            for reason, n in counts(dropped["reason"]).items():
                reasons[reason] = reasons.get(reason, 0) + n
        causes = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=lambda pair: -pair[1])[:3])
        units = self.accounts[0].rows_in
        raise DataError(f"none of {units} rows is left ({causes}); change the recipe, or the sources")
