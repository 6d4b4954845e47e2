"""All that needs a GPU, in one call of under nine minutes, without network, DuckDB or store.

    python -m benchmarks.gpu_train [--export FOLDER] [--out benchmarks/results/gpu_train.json] [--dry-run]

A Llama of the shape of Llama-3.1-8B with random weights, quantised to NF4; rows of the lengths in
benchmarks/row_lengths.json. FOLDER is what `curate export` wrote for a chat model: with it, data/demo_model is trained
on its rows by the whole of `curate train`. Each part is a process of its own, so that memory comes back; a part for
which no time is left is named as not run. Without a GPU this says so and measures nothing. --dry-run goes through
every part on a tiny model, on the CPU too, and writes no figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 530  # of the whole call
PARTS: Final = ("checks", "curate 2048", "curate 8192", "theirs 2048", "theirs 8192", "whole")
_PACKAGES: Final = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "trl", "liger-kernel")


def missing() -> str | None:
    """Why nothing can be measured here."""
    gone = [name for name in ("torch", "transformers", "peft", "bitsandbytes", "accelerate") if not find_spec(name)]
    if gone:
        return f"{', '.join(gone)} not installed: nothing was measured"
    import torch

    return None if torch.cuda.is_available() else "no GPU here: nothing was measured"


def part(name: str, seconds: float, arguments: list[str]) -> dict[str, Any]:
    """What a part found, in a process of its own; else why it found nothing."""
    if seconds < 30:
        return {"not_run": "no time was left"}
    command = [sys.executable, "-m", "benchmarks.gpu_parts", name, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"not_run": f"took over {seconds:.0f} s"}
    if done.returncode:
        return {"not_run": (done.stderr.strip().splitlines() or ["died without a word"])[-1][:300]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def packages() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--dry-run", action="store_true")
    args = parser.parse_args()
    why = missing()
    if why and not args.dry_run:
        print(why)
        return 0
    began = time.monotonic()
    arguments = ["--dry-run"] if args.dry_run else []
    arguments += ["--export", str(args.export)] if args.export else []
    result: dict[str, Any] = {"dry_run": True} if args.dry_run else {}
    result["packages"] = packages()
    for name in PARTS:
        start = time.monotonic()
        result[name] = part(name, SECONDS - (start - began), arguments)
        print(f"{name}: {time.monotonic() - start:.0f} s {result[name].get('not_run', '')}", file=sys.stderr)
    result["seconds"] = round(time.monotonic() - began)
    text = json.dumps(result, indent=2)
    if args.out and not args.dry_run:
        args.out.write_text(f"{text}\n", "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
