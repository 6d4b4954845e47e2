"""The environment: Python, packages, extras, GPU, threads, offline settings. Imports none of the heavy packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from curation.doctor.finding import Finding

_PYTHON: Final = (3, 11)
_EXTRAS: Final = ("train", "eval", "app", "login", "lm-eval", "sentencepiece")  # `all` is their sum
_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HOME")
_NATIVE_BF16: Final = 8.0  # CUDA capability; below, bf16 is emulated
_ASKED: Final = "name,driver_version,memory.total,memory.free,compute_cap"


def environment_checks() -> list[Finding]:
    wanted = _requirements(requires("curate") or ())
    return [_python(), *_packages(wanted), *_gpu(), _bitsandbytes(), _threads(), _offline(), *_compiler()]


def _python() -> Finding:
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _PYTHON:
        return Finding(
            "python", "broken", f"{here}; 3.11 or newer is needed", "make the environment with a newer Python"
        )
    return Finding("python", "ok", f"{here}, {sys.prefix}")


def _requirements(lines: Iterable[str]) -> dict[str, list[Requirement]]:
    """Extra ("" for what every installation needs) -> its packages, those of extras it names among them."""
    found: dict[str, list[Requirement]] = defaultdict(list)
    for line in lines:
        one = Requirement(line)
        extra = re.search(r"extra == ['\"]([^'\"]+)", str(one.marker)) if one.marker else None
        found[extra[1] if extra else ""].append(one)
    return {extra: list(_spread(found, extra)) for extra in found}


def _spread(found: Mapping[str, list[Requirement]], extra: str) -> Iterator[Requirement]:
    for one in found.get(extra, ()):
        if one.name != "curate":
            yield one
        for named in sorted(one.extras if one.name == "curate" else ()):
            yield from _spread(found, named)


def _packages(wanted: Mapping[str, list[Requirement]]) -> Iterator[Finding]:
    missing, old = _judged(wanted.get("", ()))
    if missing or old:
        yield Finding(
            "packages", "broken", "; ".join([*_missing(missing), *old]), "pip install -c constraints.txt curate"
        )
    else:
        yield Finding("packages", "ok", f"{len(wanted.get('', ())):,} packages, none older than it may be")
    for extra in _EXTRAS:
        missing, old = _judged(wanted.get(extra, ()))
        install = f'pip install -c constraints.txt "curate[{extra}]"'
        if extra not in wanted:
            yield Finding(f"extra {extra}", "note", "what was installed here is older than this program", install)
        elif old:
            yield Finding(f"extra {extra}", "broken", "; ".join([*old, *_missing(missing)]), install)
        elif missing:
            yield Finding(f"extra {extra}", "note", "; ".join(_missing(missing)), install)
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def _missing(names: list[str]) -> list[str]:
    return [f"not installed: {', '.join(names)}"] if names else []


def _judged(wanted: Iterable[Requirement]) -> tuple[list[str], list[str]]:
    """(packages that are missing, what is said of those too old)."""
    missing, old = [], []
    for one in wanted:
        try:
            here = version(one.name)
        except PackageNotFoundError:
            missing.append(one.name)
            continue
        if not one.specifier.contains(here, prereleases=True):
            old.append(f"{one.name} {here} is installed, {one.specifier} is needed")
    return missing, old


def _gpu() -> Iterator[Finding]:
    """By the driver's own tool and torch's version file, so that torch need not be loaded."""
    cards, built = _cards(), _torch_cuda()
    bf16 = _cpu_bf16()
    if not cards:
        told = f"none; training runs on the CPU, {'with' if bf16 else 'without'} bf16 of its own"
        yield Finding("gpu", "note", told, "")
        return
    for name, driver, total, free, capability in cards:
        native = float(capability) >= _NATIVE_BF16
        told = f"{name}, {free} of {total} free, driver {driver}, {'bf16' if native else 'fp16: bf16 is emulated'}"
        yield Finding("gpu", "ok", told)
    if built is None:
        return
    if built == "":
        yield Finding(
            "cuda",
            "broken",
            "torch is built for the CPU, so it does not see the GPU",
            "pip install a torch with CUDA, see docs/training.md",
        )
    else:
        yield Finding("cuda", "ok", f"torch is built for CUDA {built}")


def _cards() -> list[list[str]]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run(
            [tool, f"--query-gpu={_ASKED}", "--format=csv,noheader"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines() if done.returncode == 0]
    return [line for line in lines if len(line) == _ASKED.count(",") + 1]


def _torch_cuda() -> str | None:
    """CUDA version torch is built for, "" for none; None where torch is not installed."""
    found = find_spec("torch")
    if found is None or not found.origin:
        return None
    try:
        text = (Path(found.origin).parent / "version.py").read_text("utf-8")
    except OSError:
        return None
    told = re.search(r"^cuda\b[^=]*=\s*['\"]?([0-9.]+)?", text, re.MULTILINE)
    return (told[1] or "") if told else None


def _cpu_bf16() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def _bitsandbytes() -> Finding:
    try:
        found = distribution("bitsandbytes")
    except PackageNotFoundError:
        return Finding(
            "bitsandbytes", "note", "not installed, so there is no 4-bit training", 'pip install "curate[train]"'
        )
    libraries = [str(name).rsplit("/", 1)[-1] for name in found.files or () if "libbitsandbytes" in str(name)]
    folder = Path(str(found.locate_file("bitsandbytes")))
    there = [name for name in libraries if (folder / name).is_file()]
    if not there:
        return Finding(
            "bitsandbytes",
            "broken",
            f"{found.version} has no library for this machine",
            "pip install --force-reinstall bitsandbytes",
        )
    kinds = "CUDA and CPU" if any("cuda" in name for name in there) else "CPU"
    return Finding("bitsandbytes", "ok", f"{found.version}, libraries for {kinds}; --deep tries it out")


def _threads() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS")
    told = f"{usable} of {os.cpu_count()} cores may be used, OMP_NUM_THREADS {asked or 'not set'}"
    if asked and not (asked.isascii() and asked.isdigit() and int(asked) >= 1):
        return Finding("threads", "broken", f"OMP_NUM_THREADS is {asked}", "export OMP_NUM_THREADS=1, or unset it")
    if asked and int(asked) > usable:
        return Finding("threads", "note", f"{told}: more threads than cores", f"export OMP_NUM_THREADS={usable}")
    return Finding("threads", "ok", told)


def _offline() -> Finding:
    told = [f"{name} {os.environ[name]}" for name in _OFFLINE if os.environ.get(name)]
    home = os.environ.get("HF_HOME")
    if home and not Path(home).is_dir():
        return Finding("hub", "note", f"HF_HOME {home} is no folder", "make it, or unset HF_HOME")
    if told:
        return Finding("hub", "ok", ", ".join(told))
    return Finding("hub", "ok", "no setting; Curate asks the hub only for a base model or hf: source that is named")


def _compiler() -> Iterator[Finding]:
    from curation.compiling import settle_cache

    settle_cache()
    kept = os.environ.get("NUMBA_CACHE_DIR")
    if kept and not os.access(kept, os.W_OK):
        yield Finding(
            "compiler", "broken", f"NUMBA_CACHE_DIR {kept} cannot be written", "unset it, or name another folder"
        )
    elif kept:
        yield Finding("compiler", "ok", f"keeps its results in {kept}")
