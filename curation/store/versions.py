"""What a version is called, and how a name, `latest` or an id prefix finds it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from curation.errors import ConfigError, did_you_mean

MIN_PREFIX: Final = 4
_ID_PREFIX: Final = re.compile(r"[0-9a-f]+")
_BUILT: Final = re.compile(r"v([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Segment:
    """One Parquet file of the store; its name holds the start of its sha256."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A published version. `new` is False where a publish found that the id existed already."""

    name: str
    id: str
    parent: str | None
    message: str
    created: str  # UTC, ISO 8601
    recipe: Mapping[str, Any]
    stats: Mapping[str, Any]
    code: str  # version of this package that built it
    segments: Mapping[str, Segment]
    new: bool = False

    @property
    def short_id(self) -> str:
        return self.id[:8]

    @property
    def is_fold(self) -> bool:
        """Made from another version by `curate build --folds`: never `latest`, never the parent of a build."""
        return _BUILT.fullmatch(self.name) is None


@dataclass(frozen=True, slots=True)
class DroppedVersion:
    """What is left of a version that was dropped: its name is not given again."""

    name: str
    id: str
    parent: str | None


def fold_name(version: VersionInfo, fold: int, folds: int) -> str:
    """v3-fold1of5: the number of folds is in the name, so that five folds and ten can stand side by side."""
    return f"{version.name}-fold{fold}of{folds}"


def next_name(taken: Iterable[str]) -> str:
    """v4 where v3 is the highest name ever given to a built version."""
    numbers = (int(found[1]) for name in taken if (found := _BUILT.fullmatch(name)))
    return f"v{max(numbers, default=0) + 1}"


def newest(versions: Sequence[VersionInfo]) -> VersionInfo | None:
    """The newest built version; folds are made from it and do not count."""
    return next((version for version in reversed(versions) if not version.is_fold), None)


def latest(versions: Sequence[VersionInfo], back: str | None = None) -> VersionInfo | None:
    """What the last build gave: the newest built version, or the one with the id `back` that it came back to."""
    return next((version for version in versions if version.id == back), None) or newest(versions)


def resolve(
    versions: Sequence[VersionInfo], ref: str, dropped: Sequence[DroppedVersion] = (), back: str | None = None
) -> VersionInfo:
    """The version that `ref` means: `latest`, a name such as v3, or the first 4 or more characters of an id."""
    if ref == "base":
        raise ConfigError('"base" names the base model, not a version; name a version such as "latest" or "v1"')
    if not versions:
        raise ConfigError("the store holds no version yet; run `curate build` first")
    if ref == "latest" and (found := latest(versions, back)):
        return found
    for version in versions:
        if ref in (version.name, version.id):
            return version
    if any(ref in (gone.name, gone.id) for gone in dropped):
        raise ConfigError(f'version "{ref}" was dropped with curate gc; see curate versions')
    return _by_prefix(versions, ref)


def _by_prefix(versions: Sequence[VersionInfo], ref: str) -> VersionInfo:
    found = [v for v in versions if v.id.startswith(ref)] if _ID_PREFIX.fullmatch(ref) else []
    if found and len(ref) < MIN_PREFIX:
        raise ConfigError(f'version "{ref}": an id prefix needs at least {MIN_PREFIX} characters')
    if len(found) > 1:
        listed = ", ".join(f"{v.name} ({v.id[: len(ref) + 4]})" for v in found)
        raise ConfigError(f'version "{ref}" means {len(found)} versions: {listed}; give more characters')
    if not found:
        hint = did_you_mean(ref, ["latest", *(v.name for v in versions[-8:])])
        raise ConfigError(f'version "{ref}" is not known{hint}')
    return found[0]
