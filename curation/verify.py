"""Re-checks what a version promises, by code that shares nothing with the builder but the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from curation.errors import CurateError, StoreError
from curation.store import Store, VersionInfo
from curation.verification.accounting import clusters, ledger, members, stages
from curation.verification.check import LEAK, Check, Found, one_line
from curation.verification.identity import export, files, row_ids, version_id
from curation.verification.leaks import leaks
from curation.verification.sticky import sticky_splits
from curation.verification.stored import Stored

__all__ = ["Check", "verify"]


def verify(store: Store, version: str | VersionInfo, export_folder: Path | None = None) -> list[Check]:
    """Every check of a version, in order. A check that cannot be made fails and says why; only a ref that names no
    version raises. `export_folder`: also compare an exported folder with its manifest and the version."""
    stored = Stored(store, version if isinstance(version, VersionInfo) else store.resolve(version))
    checks: list[tuple[str, Callable[[], Found]]] = [
        ("files", lambda: files(stored)),
        ("ledger", lambda: ledger(stored)),
        ("stages", lambda: stages(stored)),
        ("members", lambda: members(stored)),
        ("row ids", lambda: row_ids(stored)),
        ("version id", lambda: version_id(stored)),
        ("clusters", lambda: clusters(stored)),
        ("sticky splits", lambda: sticky_splits(stored)),
        (LEAK, lambda: leaks(stored)),
    ]
    if export_folder is not None:
        checks.append(("export", lambda: export(stored, export_folder)))
    return [_check(name, run) for name, run in checks]


def _check(name: str, run: Callable[[], Found]) -> Check:
    clock = time.perf_counter()
    made = True
    try:
        found = run()
    except CurateError as error:
        found, made = Found([str(error)], ""), not isinstance(error, StoreError)
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a stored record is not what it should be
        found = Found([f"could not be checked, the stored data is not as it should be ({error!r})"], "")
    return Check(name, not found.problems, one_line(found), time.perf_counter() - clock, made)
