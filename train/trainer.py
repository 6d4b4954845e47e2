"""transformers' Trainer with our batches, our loss, and somebody who watches each step."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import EvalLoopOutput

from curation.progress import Progress
from curation.store.journal import Journal
from train.batches import Batches
from train.loss import row_sums, token_losses
from train.model.precision import Precision, torch_dtype
from train.watch import History, StopRequest, journal_names, log


class AnswerTrainer(Trainer):  # type: ignore[misc]
    """Each step weighs every trained token of its whole window alike, however it is cut into batches and processes."""

    def __init__(
        self, model: Any, args: TrainingArguments, batches: tuple[Batches, Batches | None], precision: Precision
    ) -> None:
        self.batches, self._validation = batches
        super().__init__(model, args, train_dataset=batches[0].rows, eval_dataset=batches[1] and batches[1].rows)
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = True  # our loss is of the window already: not to be divided again
        self.head = model.get_base_model().get_output_embeddings()
        self.history = History(self.head.weight.shape[0])
        self._precision = precision

    def get_train_dataloader(self) -> Any:
        return self._loader(self.batches)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        return self._loader(self._validation)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """The batches of a step, and the trained tokens in them over all processes."""
        batches = list(islice(epoch_iterator, num_batches))
        trained = torch.tensor(sum(batch["trained"] for batch in batches), device=device)
        trained = self.accelerator.reduce(trained, "sum")
        self.history.trained_tokens += int(trained)
        return batches, trained

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        with self._autocast():
            losses = token_losses(model, inputs, self.head)
        self.history.visit(inputs["row_ids"], row_sums(losses, inputs))
        # Processes are averaged over afterwards.
        return losses.sum() / num_items_in_batch * self.accelerator.num_processes

    def evaluation_loop(self, dataloader: Any, *_: Any, metric_key_prefix: str = "eval", **__: Any) -> EvalLoopOutput:
        """The mean loss over the trained tokens of the whole split."""
        self.model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        for batch in dataloader:
            batch = self._prepare_inputs(batch)
            with torch.no_grad(), self._autocast():
                total += row_sums(token_losses(self.model, batch, self.head), batch).sum(1)
        loss, count = self.accelerator.reduce(total, "sum").tolist()
        metrics = {f"{metric_key_prefix}_loss": loss / max(1, count)}
        return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))

    def _autocast(self) -> AbstractContextManager[Any]:
        # fp16 needs a scaler with it: there the Trainer does both.
        bf16 = self._precision == "bf16"
        return torch.autocast(self.args.device.type, torch_dtype("bf16")) if bf16 else nullcontext()

    def _loader(self, batches: Batches | None) -> Any:
        assert batches is not None
        workers, pinned = self.args.dataloader_num_workers, self.args.device.type == "cuda"
        context = "spawn" if workers else None  # a fork would take the parent's threads and CUDA with it
        return torch.utils.data.DataLoader(
            batches.rows, batch_sampler=batches, collate_fn=batches.collate, num_workers=workers, pin_memory=pinned,
            multiprocessing_context=context,
        )  # fmt: skip


class Watch(TrainerCallback):  # type: ignore[misc]
    """Ties a training to its journal, its progress bar, its checks, and the wish to stop."""

    def __init__(
        self,
        trainer: AnswerTrainer,
        stop: StopRequest,
        progress: Progress,
        journal: tuple[Journal, str] | None,
        saved: Callable[[Path, int, dict[str, float]], None],
    ) -> None:
        self._trainer, self._stop, self._progress = trainer, stop, progress
        self._journal, self._saved = journal, saved
        self._began = self._spoke = time.monotonic()
        self._spoken_tokens = self._first_step = 0

    @property
    def seconds(self) -> float:
        return self._trainer.history.seconds + time.monotonic() - self._began

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress.stage("training", state.max_steps, "steps")
        self._first_step, self._spoken_tokens = state.global_step, self._trainer.history.trained_tokens
        self._began = self._spoke = time.monotonic()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        batches = self._trainer.batches
        batches.epoch = state.global_step // -(-len(batches) // args.gradient_accumulation_steps)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # With a scaler a gradient may overflow; it skips the step and lowers its scale.
        trained = () if args.fp16 else (p.grad for p in self._trainer.model.parameters() if p.grad is not None)
        self._trainer.history.settle(state.global_step + 1, list(trained))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress.advance(state.global_step)
        if self._asked() and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._stop.asked and state.global_step < state.max_steps:  # saved with its step, and no epoch has ended
            control.should_save = control.should_evaluate = False

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        values = journal_names(logs)
        if self._journal is None or not values:
            return
        if "train_loss" in values:
            values |= self._speed(state)
        if "validation_loss" in values:
            self._progress.note(f"step {state.global_step}: validation loss {values['validation_loss']:.4f}")
        log.info("step %d %s", state.global_step, " ".join(f"{key} {value:.6g}" for key, value in values.items()))
        journal, run = self._journal
        journal.metric(run, state.global_step, values)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        history = self._trainer.history
        history.gather(self._trainer.accelerator)
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            found = [journal_names(logs) for logs in state.log_history if logs["step"] == state.global_step]
            self._saved(folder, state.global_step, {key: value for logs in found for key, value in logs.items()})
            history.write(folder, self.seconds)  # last: a checkpoint with this file is whole, and listed

    def _speed(self, state: Any) -> dict[str, float]:
        now, tokens = time.monotonic(), self._trainer.history.trained_tokens
        rate = (tokens - self._spoken_tokens) / max(now - self._spoke, 1e-9)
        each = (now - self._began) / max(1, state.global_step - self._first_step)
        self._spoke, self._spoken_tokens = now, tokens
        return {
            "trained_tokens": tokens,
            "tokens_per_second": rate,
            "seconds": self.seconds,
            "peak_memory_mb": peak_memory_mb(),
            "eta_seconds": each * (state.max_steps - state.global_step),
        }

    def _asked(self) -> bool:
        """Whether any process was asked to stop: all have to stop after the same step."""
        accelerator = self._trainer.accelerator
        if accelerator.num_processes > 1:
            asked = torch.tensor(int(self._stop.asked), device=accelerator.device)
            self._stop.asked = bool(accelerator.reduce(asked, "sum"))
        return self._stop.asked


def peak_memory_mb() -> float:
    """The most this process held: of the GPU where there is one, else of main memory."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
