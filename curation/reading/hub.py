"""Data sets of the Hugging Face Hub (`hf:owner/name[:config][/split]`), through the `datasets` library."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from curation.errors import ConfigError, DataError
from curation.reading.arrow import rows_of, slices
from curation.reading.sources import Source, SourceSpec, hash_file
from curation.reading.unit import Batch, Progress

_NAME: Final = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+)(?::(?P<config>[^/:]+))?(?:/(?P<split>[\w.-]+))?")
_PROXIES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")  # behind one, a direct try says nothing
_PATIENCE: Final = 5.0  # seconds


def hub_sources(spec: SourceSpec) -> Iterator[Source]:
    """A source for each split asked for; loads the data set (from its cache where it is there)."""
    match = _parts(spec.path)
    base = spec.path.removesuffix(f"/{match['split']}") if match["split"] else spec.path
    loaded = _load(base, match["split"])
    splits = {match["split"]: loaded} if match["split"] else dict(sorted(loaded.items()))
    for split, rows in splits.items():
        digest, size = _hash(rows)
        yield Source(f"{base}/{split}", None, "hub", None, digest, size, spec)


def read_hub(source: Source, size: int, progress: Progress) -> Iterator[Batch]:
    """Rows of one split."""
    split = _parts(source.name)["split"]
    rows = _load(source.name.removesuffix(f"/{split}"), split)
    if _hash(rows)[0] != source.sha256:
        raise DataError(f"{source.name}: changed while it was read; run again")
    batches = (part for batch in rows.with_format("arrow").data.to_batches() for part in slices(batch, size))
    return rows_of(batches, progress)


def _parts(name: str) -> re.Match[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"{name}: is not of the form hf:owner/name[:config][/split]")
    return match


def _load(base: str, split: str | None) -> Any:
    _offline_if_out_of_reach()
    import datasets

    match = _parts(base)
    quiet = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(match["name"], match["config"], split=split)
    except Exception as error:  # the library raises a dozen kinds, from ConnectionError to plain ValueError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise DataError(
            f"{base}: cannot be loaded ({reason}); check the name, the network and HF_HUB_OFFLINE"
        ) from None
    finally:
        if quiet:
            datasets.enable_progress_bars()


def _offline_if_out_of_reach() -> None:
    """Without a network the library would try for half a minute; told so beforehand it looks into its cache at once."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or any(os.environ.get(name) for name in _PROXIES):
        return
    address = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((address.hostname or "", address.port or 443), timeout=_PATIENCE).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True
        os.environ["HF_HUB_OFFLINE"] = "1"  # for `datasets`, which is imported after this, and for workers


def _hash(rows: Any) -> tuple[str, int]:
    """(sha256, bytes) of the Arrow files that hold a split."""
    digest = hashlib.sha256()
    total = 0
    for entry in rows.cache_files:
        content, size = hash_file(entry["filename"], Path(entry["filename"]))
        digest.update(f"{content}\n".encode())
        total += size
    return digest.hexdigest(), total
