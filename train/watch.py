"""Watching a training: what each row cost, when it goes wrong, the wish to stop, and a log of what libraries say."""

from __future__ import annotations

import logging
import logging.handlers
import math
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import CurateError
from curation.row_losses import FILE, ROW_LOSSES
from curation.store.files import TEMP_PREFIX, disk_errors
from train.config import TrainingConfig
from train.estimate import Estimate

log: Final = logging.getLogger("curate.train")
_SMOOTH: Final = 8  # steps whose mean loss is looked at
_WORSE: Final = 1.5  # than guessing, or than at the start: so much is no noise
_LEARNED: Final = 0.01  # a loss below it may well have no gradient left
_NAMED: Final = 3
_GIB: Final = 2**30


class History:
    """The loss of every row at each visit, by optimiser step, and the check that it is still a training."""

    def __init__(self, vocabulary: int) -> None:
        self.trained_tokens = 0  # of all processes
        self.seconds = 0.0  # of the sessions before this one
        self._visits: list[tuple[bytes, int, float, int]] = []
        self._pending: list[tuple[Sequence[str], Any]] = []
        self._means: list[float] = []  # of each step
        self._guessing = math.log(vocabulary)

    def visit(self, row_ids: Sequence[str], sums: Any) -> None:
        """A batch's rows, with [2, rows] on the device: the sum of their losses, and the number of their tokens."""
        self._pending.append((row_ids, sums))

    def settle(self, step: int, gradients: Sequence[Any] = ()) -> None:
        """All batches of a step were seen; CurateError where a loss or gradient is no number, or losses diverge."""
        import torch

        ids = [row_id for row_ids, _ in self._pending for row_id in row_ids]
        stacked = torch.cat([sums for _, sums in self._pending], 1)
        self._pending.clear()
        (sums, counts), losses = stacked.tolist(), (stacked[0] / stacked[1]).tolist()  # fp32, as they are stored
        rows = [(i, loss, int(n)) for i, loss, n in zip(ids, losses, counts, strict=True) if n]
        self._visits += [(UUID(i).bytes, step, loss, n) for i, loss, n in rows]
        self._means.append(sum(sums) / max(1, sum(counts)))
        broken = [i for i, loss, _ in rows if not math.isfinite(loss)]
        if broken:
            raise CurateError(_stopped(step, "the loss is not a number", broken))
        worst = [i for i, _, _ in sorted(rows, key=lambda row: -row[1])]
        if gradients:
            norm = float(torch.stack(torch._foreach_norm(list(gradients))).norm())
            if not math.isfinite(norm):
                raise CurateError(_stopped(step, "the gradient is not a number", worst))
            if norm == 0 and self._means[-1] > _LEARNED:  # as where an adapter grew until the norms overflow
                raise CurateError(_stopped(step, "the gradient is nothing, and the model not at its goal", worst))
        last = _mean(self._means[-_SMOOTH:])
        limit = _WORSE * max(self._guessing, _mean(self._means[:_SMOOTH]))
        if len(self._means) > _SMOOTH and last > limit:
            raise CurateError(_stopped(step, f"the loss diverges ({last:.2f}, guessing: {self._guessing:.2f})", worst))

    def train_loss(self) -> float:
        """Mean over the trained tokens of every row's last visit."""
        last = {row_id: (loss, n) for row_id, _, loss, n in self._visits}
        return sum(loss * n for loss, n in last.values()) / max(1, sum(n for _, n in last.values()))

    def gather(self, accelerator: Any) -> None:
        """Bring the visits of all processes together; every process has to take part."""
        from accelerate.utils import gather_object

        if accelerator.num_processes > 1:
            self._visits = sorted(gather_object(self._visits), key=lambda visit: visit[1])
            if not accelerator.is_main_process:
                self._visits = []

    def write(self, folder: Path, seconds: float) -> None:
        columns = list(zip(*self._visits, strict=True)) or [()] * len(ROW_LOSSES)
        told = {"trained_tokens": str(self.trained_tokens), "seconds": str(seconds)}
        temp = folder / f"{TEMP_PREFIX}{FILE}"
        with disk_errors(folder / FILE, "the training stopped; go on with --resume"):
            pq.write_table(pa.table(columns, ROW_LOSSES.with_metadata(told)), temp, compression="zstd")
            temp.replace(folder / FILE)

    def restore(self, folder: Path, *, visits: bool) -> None:
        """What was written; the visits for one process alone, else they would count twice."""
        table = pq.read_table(folder / FILE)
        told = table.schema.metadata
        self.trained_tokens, self.seconds = int(told[b"trained_tokens"]), float(told[b"seconds"])
        if visits:
            self._visits = list(zip(*(column.to_pylist() for column in table.columns), strict=True))


class StopRequest:
    """Ctrl-C (or a scheduler's SIGTERM) asks to stop after the step; asked again, it stops at once."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._ask) for number in signals]
        try:
            yield
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt("stopped at once; what was trained since the last checkpoint is lost")
        self.asked = True


def out_of_memory(config: TrainingConfig, cost: Estimate, checkpointing: bool) -> CurateError:
    """What to turn, and about how much each gives; a smaller batch with more accumulation trains the same."""
    kept = cost.activations_checkpointed if checkpointing else cost.activations
    batch, steps = config.per_device_train_batch_size, config.gradient_accumulation_steps
    knobs = []
    if batch > 1:
        smaller = f"per_device_train_batch_size={batch // 2} gradient_accumulation_steps={steps * 2}"
        knobs.append((f"{smaller} (the same training)", (kept + cost.logits) * (1 - batch // 2 / batch)))
    if not checkpointing:
        knobs.append(("activation_checkpointing=true", cost.activations - cost.activations_checkpointed))
    if config.quantization != "nf4":
        knobs.append(("quantization=nf4", cost.weights - cost.parameters * 0.6))
    knobs.append((f"max_length={config.max_length // 2}", (kept + cost.logits) / 2))
    told = "; ".join(f"{knob} frees about {max(0.0, freed) / _GIB:.2g} GiB" for knob, freed in knobs)
    needed = cost.total(checkpointing=checkpointing) / _GIB
    return CurateError(f"out of memory (about {needed:.2g} GiB wanted); --set {told}")


class TrainLog:
    """Within: what any library logs or warns of goes to the log, once there is a place for it, not to the terminal."""

    def __init__(self) -> None:
        self._held = logging.handlers.MemoryHandler(100_000, flushLevel=100)

    def __enter__(self) -> TrainLog:
        from transformers.utils import logging as theirs

        theirs.disable_default_handler()
        theirs.enable_propagation()
        theirs.disable_progress_bar()
        logging.captureWarnings(True)
        logging.getLogger().addHandler(self._held)
        log.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging as theirs

        logging.getLogger().removeHandler(self._held)
        logging.captureWarnings(False)
        theirs.disable_propagation()
        theirs.enable_default_handler()
        if self._held.target:
            self._held.target.close()
            self._held.setTarget(None)
        self._held.close()

    def to(self, path: Path) -> None:
        with disk_errors(path, "no run was started"):
            file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        self._held.setTarget(file)
        self._held.flush()
        self._held.flushLevel = logging.NOTSET


def _stopped(step: int, what: str, row_ids: Sequence[str]) -> str:
    more = f" and {len(row_ids) - _NAMED} more" if len(row_ids) > _NAMED else ""
    return (
        f"step {step}: {what}; rows: {', '.join(row_ids[:_NAMED])}{more}; look at them (curate why), or lower "
        "learning_rate, and train again"
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def journal_names(logs: Mapping[str, float]) -> dict[str, float]:
    """The trainer's names as curation.runs.METRICS."""
    names = {"loss": "train_loss", "eval_loss": "validation_loss", "grad_norm": "gradient_norm"}
    names["learning_rate"] = "learning_rate"
    return {ours: logs[theirs] for theirs, ours in names.items() if theirs in logs}
