"""How much does recording slow the training of a language model of ten million parameters down?

    python benchmarks/recording.py --model gpt [--json FILE] [--rounds 4] [--device cpu] [--threads 2]

bare    nothing is recorded
none    Gram matrices of every layer, with weights: none and groups: layer
sketch  a sketch of 1,024 numbers

The network is a decoder of 8 blocks and width 320 on bytes, context 128, batches of 16 blocks, AdamW.
Three trainings, each with a network of its own, take turns of 32 steps in one process, in a new random
order every round; a turn ends when the background thread has finished. A slow-down is the median
over the rounds of the ratio to the bare turn of the same round, its 90 % interval is by resampling
rounds.

The products of an update grow with those before it in its window. So the window, as long as half of
the free memory allows and at most 1,000 updates, is filled to its middle first: there an update
costs what it costs on average. It is the second window, whose memory is that of the first, as in all
windows but the first. Products are taken every 32 updates instead of 64, once in each turn, and the
rest of the turn goes on meanwhile, as in any training. Six minutes on two free cores; with
other load, the two threads of a step wait for each other, and no figure is worth anything.
"""

import os
import time

import numpy as np
import torch

from anodiff.data import build_augmentation, load
from anodiff.settings.run import RunSettings
from anodiff.storage.memory import available_memory
from anodiff.training.backward import build_forward_backward
from anodiff.training.device import repeatable
from anodiff.training.loop import build_batches, build_model
from anodiff.training.losses import build_loss
from anodiff.training.precision import build_forward
from anodiff.training.seeding import seed_globals
from anodiff.training.state import TrainingState
from anodiff.trajectory import TrajectoryRecorder, running_gram

MODES = ("bare", "none", "sketch")
OPTIONS = {"none": {"weights": "none", "groups": "layer"}, "sketch": {"weights": "sketch"}}

#: Steps of a turn, and updates whose products are taken at a time.
TURN = 32

#: Share of the free memory that the updates of a window may take.
SHARE = 0.5

RUN = {
    "data": "text",
    "model": {"name": "gpt", "depth": 8, "width": 320, "heads": 5, "context": 128},
    "optimiser": {"name": "adamw", "learning_rate": 3e-4, "weight_decay": 0.1},
    "training": {"batch_size": 16, "steps": 10_000},
}


def build_training(settings, dataset, mode, folder, device, window):
    """Return the recorder, and a function that trains a turn and returns its seconds per step."""
    seed_globals(0, "weights")
    model = build_model(settings, dataset).to(device)
    batches = build_batches(settings, dataset)
    state = TrainingState(settings, model, batches, device)
    forward, criterion = build_forward(model, settings.training, device), build_loss(settings.training, dataset.classes)
    step = build_forward_backward(state, forward, criterion, settings, device)
    augment, rate = build_augmentation(settings.data, dataset), settings.optimiser.learning_rate
    recorder = None
    if mode != "bare":
        recorder = TrajectoryRecorder(
            model, folder / f"{mode}.zarr", window_length=window, gradient_coordinates=256, device_memory=2**16, **OPTIONS[mode]
        )

    def indices():
        while True:
            yield from batches.epoch()

    order = indices()
    model.train()

    def turn(steps=TURN):
        start = time.perf_counter()
        for _ in range(steps):
            chosen = next(order)
            inputs = augment(dataset.train_inputs[chosen], state.augmentation)
            _, loss = step(inputs, dataset.train_labels[chosen])
            norm, value = state.gradient_norm(), loss()
            state.step(rate, norm)
            if recorder is not None:
                recorder.record(loss=value, gradient_norm=norm, learning_rate=rate)
        if recorder is not None:
            recorder._background.wait()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    return recorder, turn


def compare(folder, device, rounds, threads):
    """Return the figures of all modes."""
    torch.set_num_threads(threads)
    settings = RunSettings.model_validate(RUN | {"training": RUN["training"] | {"threads": threads}})
    dataset = load(settings.data, "data", context=settings.model.context, device=device)
    running_gram.BLOCK_UPDATES = TURN
    with repeatable(settings.training, device):
        parameters = sum(each.numel() for each in build_model(settings, dataset).parameters())
        window = int(min(1000, SHARE * available_memory() // (4 * parameters))) // (2 * TURN) * 2 * TURN
        trainings = {mode: build_training(settings, dataset, mode, folder, device, window) for mode in MODES}
        filled = window // 2 - rounds // 2 * TURN - 1  # a turn begins with the products of a block, as it goes on
        print(f"{parameters:,} parameters, windows of {window} updates, threads {threads}", flush=True)
        for _ in range(window + max(filled - TURN, 0)):
            trainings["none"][0].record()  # without a step: an update of zeros takes as long as any other
        order = np.random.default_rng(0)
        times = {mode: [] for mode in MODES}
        for number in range(rounds + 1):
            for mode in order.permutation(MODES):
                steps = TURN if number or mode == "none" else 2  # the first is a warm-up
                seconds = trainings[mode][1](steps)
                if number:
                    times[mode].append(1e3 * seconds)
        for recorder, _ in trainings.values():
            if recorder is not None:
                recorder.finish()
    ratios = {mode: np.array(times[mode]) / np.array(times["bare"]) for mode in MODES}
    draws = order.integers(rounds, size=(2000, rounds))
    return {
        "parameters": parameters,
        "window": window,
        "threads": threads,
        "cores": os.cpu_count(),
        "ms per step": times,
        "median, ms per step": {mode: float(np.median(values)) for mode, values in times.items()},
        "ratio to bare": {mode: float(np.median(values)) for mode, values in ratios.items()},
        "its 90 % interval": {
            mode: np.quantile(np.median(ratios[mode][draws], axis=1), [0.05, 0.95]).tolist() for mode in MODES
        },
    }


def print_result(result):
    """Print the medians, with the slow-downs in percent."""
    for mode in MODES:
        low, high = (100 * (bound - 1) for bound in result["its 90 % interval"][mode])
        milliseconds, slower = result["median, ms per step"][mode], 100 * (result["ratio to bare"][mode] - 1)
        print(f"  {mode:6s} {milliseconds:9.1f} ms a step   {slower:+5.1f} % ({low:+.1f} … {high:+.1f})", flush=True)
