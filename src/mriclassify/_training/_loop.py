"""The loop: batches become weights. Plain code; Accelerate spreads it over processes under `torchrun`."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from sklearn.metrics import accuracy_score, f1_score
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from mriclassify._environment import progress_hidden
from mriclassify._errors import TrainingError
from mriclassify._model._bundle import Bundle
from mriclassify._model._device import Precision, autocast
from mriclassify._model._inference import infer, ready
from mriclassify._model._network import Network
from mriclassify._model._parameters import load_strictly
from mriclassify._output import make_folder
from mriclassify._shapes import Logits
from mriclassify._threads import batched, worker_count
from mriclassify._training._averaging import average_into, copied, decay_at
from mriclassify._training._batches import (
    Batch,
    Slices,
    augmented,
    image_batches,
    sample_batches,
    shuffled_batches,
)
from mriclassify._training._depthwise import depthwise_in_fp32
from mriclassify._training._history import Epoch, History
from mriclassify._training._lesion_loss import lesion_loss
from mriclassify._training._memory import Memory
from mriclassify._training._options import TrainingOptions, TrainingPrecision
from mriclassify._training._precision import choose_precision
from mriclassify._training._schedule import learning_rate
from mriclassify._training._state import (
    TrainingState,
    load_state,
    optimiser_moments,
    restore_moments,
    save_state,
)
from mriclassify._training._teaching import Teacher

log = logging.getLogger("mriclassify")

OnEpoch = Callable[[Epoch], None]
T = TypeVar("T")


def train(
    network: Network,
    train_slices: Slices,
    validation_slices: Slices,
    *,
    classes: Sequence[str],
    options: TrainingOptions,
    device: torch.device,
    identity: Mapping[str, str],
    teacher: Bundle | None = None,
    resume: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Train `network` in place, and return what was measured; it ends with the weights of the epoch to keep.

    With `resume`, each whole epoch is kept in that folder, and a run that was killed goes on after its last
    one, to the same weights as if it had not been.

    Raises:
        TrainingError: the loss is not finite, or the folder holds another run.
        OutputError: the folder can't be written.
        ReadError: a slice can't be read.
    """
    if resume:
        make_folder(resume, "run")
    state = load_state(resume, identity=identity) if resume else None
    with _frozen(network.backbone if options.freeze_backbone else None):
        run = _Run(
            network,
            train_slices,
            classes=classes,
            options=options,
            device=device,
            teacher=teacher,
            # A measured choice might fall out differently the second time.
            precision=state.precision if state else options.precision,
        )
        if state is None:
            state = run.first_state(identity)
        else:
            log.info("going on after epoch %d of %s", len(state.history), resume)
            run.restore(state)
        while not _finished(state.history, options):
            epoch = run.epoch(len(state.history), validation_slices)
            state = run.state_after(epoch, state)
            if resume and run.accelerator.is_main_process:
                save_state(state, resume)
            log.info(
                "epoch %d: train loss %.4f, validation loss %.4f, accuracy %.4f, macro-F1 %.4f, %.0f s",
                *(epoch.epoch, epoch.train_loss, epoch.validation_loss),
                *(epoch.validation_accuracy, epoch.validation_macro_f1, epoch.seconds),
            )
            if on_epoch:
                on_epoch(epoch)
        load_strictly(network, state.best)
        # A run that had ended already was never asked anything, and stands as if it were to be trained.
        ready(network, run.device)
        return state.history


@contextmanager
def _frozen(backbone: nn.Module | None) -> Iterator[None]:
    """Stop the gradients of `backbone`, if there is one; what its maker had stopped already stays so afterwards."""
    parameters = [p for p in backbone.parameters() if p.requires_grad] if backbone is not None else []
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _finished(history: History, options: TrainingOptions) -> bool:
    if len(history) >= options.epochs:
        return True
    return bool(options.patience and history.epochs and history[-1].epoch - history.best.epoch >= options.patience)


class _Run:
    """The objects that live as long as a training, and what is done with them in an epoch."""

    def __init__(
        self,
        network: Network,
        slices: Slices,
        *,
        classes: Sequence[str],
        options: TrainingOptions,
        device: torch.device,
        teacher: Bundle | None,
        precision: TrainingPrecision,
    ) -> None:
        # Device and precision are chosen by us; Accelerate brings the processes together. It leaves processes on the
        # CPU alone unless it is told, and what it is told lasts as long as the program: so only under a launcher.
        launched = "LOCAL_RANK" in os.environ
        self.accelerator = Accelerator(cpu=launched and device.type == "cpu", mixed_precision="no")
        self.device = self.accelerator.device if self.accelerator.num_processes > 1 else device
        log.info("training on %s, %d process(es)", self.device, self.accelerator.num_processes)
        self.network, self.slices, self.options = ready(network, self.device), slices, options
        self.workers = options.workers or worker_count()
        chosen = choose_precision(precision, network=network, size=slices.preprocessing.size, device=self.device)
        self.precision: Precision = _of_main_process(chosen)
        self.optimiser = torch.optim.AdamW(_parameter_groups(network, options.weight_decay))
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.loss = nn.CrossEntropyLoss(
            weight=_class_weights(classes, slices, options).to(self.device),
            label_smoothing=options.label_smoothing,
        )
        self.teacher = Teacher(teacher, device=self.device, precision=self.precision) if teacher else None
        self.memory = Memory(options.memory)
        # Of the weights; None where they are kept as they are.
        self.mean = copied(network) if options.averaging else None
        self.model = network
        if self.accelerator.num_processes > 1:
            self.model = self.accelerator.prepare_model(network, device_placement=False)

    def first_state(self, identity: Mapping[str, str]) -> TrainingState:
        return TrainingState(identity=identity, weights={}, mean={}, best={}, moments={}, precision=self.precision)

    def restore(self, state: TrainingState) -> None:
        try:
            load_strictly(self.network, state.weights)
            restore_moments(self.optimiser, state.moments)
            for name, value in (self.mean or {}).items():
                value.copy_(state.mean[name])
        except (RuntimeError, ValueError, LookupError) as error:
            raise TrainingError(f"the run in that folder was of another network ({error}): choose another") from error
        if state.scaler:
            self.scaler.load_state_dict(dict(state.scaler))

    def state_after(self, epoch: Epoch, before: TrainingState) -> TrainingState:
        history = before.history.with_epoch(epoch)
        weights = copied(self.network)
        mean = {name: value.clone() for name, value in (self.mean or {}).items()}
        return TrainingState(
            identity=before.identity,
            weights=weights,
            mean=mean,
            best=(mean or weights) if self.options.keep == "last" or history.best is epoch else before.best,
            moments=optimiser_moments(self.optimiser),
            precision=self.precision,
            scaler=self.scaler.state_dict(),
            history=history,
        )

    def epoch(self, number: int, validation: Slices) -> Epoch:
        """Train for one epoch, then measure on the validation slices."""
        start = time.perf_counter()
        train_loss, rate = self._train_epoch(number)
        self._share_statistics()
        with self._averaged():
            logits, targets = self.logits(validation, precision=self.precision), validation.targets
        loss = float(functional.cross_entropy(logits, torch.as_tensor(targets)))
        _refuse_infinite(loss, rate)
        predicted = logits.argmax(dim=1).numpy()
        epoch = Epoch(
            epoch=number + 1,
            train_loss=float(self.accelerator.reduce(torch.tensor(train_loss, device=self.device), reduction="mean")),
            validation_loss=loss,
            validation_accuracy=float(accuracy_score(targets, predicted)),
            validation_macro_f1=float(f1_score(targets, predicted, average="macro", zero_division=0)),
            learning_rate=rate,
            seconds=time.perf_counter() - start,
        )
        # All processes must agree on the best epoch and the last one, to the last digit.
        return _of_main_process(epoch)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the network the mean of its weights for a while, if one is kept."""
        if self.mean is None:
            yield
            return
        weights = copied(self.network)
        load_strictly(self.network, self.mean)
        try:
            yield
        finally:
            load_strictly(self.network, weights)

    def _share_statistics(self) -> None:
        """Give all processes the batch statistics of the main one, and their mean: each has its own since a batch."""
        if self.accelerator.num_processes > 1:
            for values in (*self.network.buffers(), *(self.mean or {}).values()):
                values.copy_(broadcast(values))

    def logits(self, slices: Slices, *, precision: Precision) -> Logits:
        """Return the logits (n, classes) of all `slices`, on the CPU; each process computes all of them."""
        network = ready(self.network, self.device)
        batches = list(batched(range(len(slices)), 2 * self.options.batch_size))
        images = image_batches(slices, batches, device=self.device, workers=self.workers)
        return torch.cat([infer(network, batch, precision=precision).logits for batch, _ in images])

    def _train_epoch(self, number: int) -> tuple[float, float]:
        options, accelerator = self.options, self.accelerator
        batches = shuffled_batches(
            len(self.slices),
            batch_size=options.batch_size,
            seed=options.seed,
            epoch=number,
            rank=accelerator.process_index,
            world=accelerator.num_processes,
        )
        samples = augmented(
            sample_batches(
                self.slices,
                batches,
                synthesis=options.synthesis,
                rng=lambda index: np.random.default_rng([options.seed, number, index]),
                device=self.device,
                workers=self.workers,
                memory=self.memory,
            ),
            options.augmentation,
            generator=lambda batch: _generator(options.seed, number, batch, accelerator.process_index),
        )
        self.model.train()
        if options.freeze_backbone:
            # Batch normalisation of a frozen backbone keeps its statistics too.
            self.network.backbone.eval()
        losses: list[float] = []
        rate = 0.0
        cuda = [self.device] if self.device.type == "cuda" else []
        # Dropout knows the global generator only: it is seeded for the epoch, and put back after it.
        faster = depthwise_in_fp32(self.network, device=self.device, precision=self.precision)
        with torch.random.fork_rng(devices=cuda), faster:
            torch.manual_seed(_seed(options.seed, number, 0, accelerator.process_index))
            for step, batch in enumerate(self._shown(samples, number, len(batches))):
                rate = learning_rate(
                    number * len(batches) + step,
                    steps=options.epochs * len(batches),
                    peak=options.learning_rate,
                    warmup=options.warmup,
                )
                losses.append(self._step(batch, rate))
                if self.mean is not None:
                    decay = decay_at(number * len(batches) + step, options.averaging)
                    average_into(self.mean, self.network, decay=decay)
        return float(np.mean(losses)), rate

    def _step(self, batch: Batch, rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with autocast(self.device, self.precision):
            outputs = self.model(batch.images)
        loss = self.loss(outputs.logits.float(), batch.targets)
        if outputs.lesions is not None:
            loss = loss + self.options.lesion_weight * lesion_loss(outputs.lesions, batch.lesions, batch.known)
        if self.teacher:
            taught = self.teacher.loss(outputs, batch.images, lesion_weight=self.options.lesion_weight)
            loss = loss + self.options.teacher_weight * (taught - loss)
        value = float(loss.detach())
        _refuse_infinite(value, rate)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return value

    def _shown(self, batches: Iterable[Batch], number: int, count: int) -> Iterable[Batch]:
        return tqdm(  # type: ignore[no-any-return]
            batches,
            total=count,
            desc=f"epoch {number + 1}/{self.options.epochs}",
            leave=False,
            disable=progress_hidden() if self.accelerator.is_main_process else True,
        )


def _of_main_process(value: T) -> T:
    """Return what the main process has for `value`; alone, that is `value`."""
    values = broadcast_object_list([value])
    shared: T = values[0]
    return shared


def _refuse_infinite(loss: float, rate: float) -> None:
    if not np.isfinite(loss):
        raise TrainingError(
            f"the loss became {loss}: lower the learning rate (now {rate:g}), or train with precision='fp32'"
        )


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay is for weights: biases and normalisation are vectors, and are left alone (He et al. 2019)."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _class_weights(classes: Sequence[str], slices: Slices, options: TrainingOptions) -> torch.Tensor:
    if options.class_weights == "none":
        return torch.ones(len(classes))
    if options.class_weights == "balanced":
        counts = np.bincount(slices.targets, minlength=len(classes))
        # As scikit-learn's "balanced"; a class without slices has no say.
        weights = np.where(counts > 0, len(slices) / (len(classes) * np.maximum(counts, 1)), 0.0)
        return torch.as_tensor(weights, dtype=torch.float32)
    unknown = set(options.class_weights) ^ set(classes)
    if unknown:
        raise TrainingError(
            f"class_weights must name each class once: {', '.join(classes)}; these differ: {', '.join(sorted(unknown))}"
        )
    return torch.tensor([float(options.class_weights[label]) for label in classes])


def _seed(*parts: int) -> int:
    """Return a seed for torch from several numbers, without the collisions that a sum has."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _generator(*parts: int) -> torch.Generator:
    return torch.Generator().manual_seed(_seed(*parts))
