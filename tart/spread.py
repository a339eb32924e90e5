"""One encoder on several devices of this machine: a process for each, fed with tokens in order, vectors come back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.queues import Queue
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer as FastTokenizer

from tart.encoder import Encoder
from tart.engines import Hardware
from tart.errors import ModelError
from tart.formats import InputFormat
from tart.models import ModelFolder
from tart.tokens import Tokens

# One batch of texts waits while another is in the model: no device waits for the next.
_IN_HAND = 2


class _Loading(NamedTuple):
    """What a process needs to load its encoder."""

    name: str
    dtype: str
    input_format: InputFormat | str | None


class _Loaded(NamedTuple):
    """What the feeding process needs to know of the engine that the others run."""

    dim: int
    token_budget: int
    tokenizer: FastTokenizer


class SpreadEncoder(Encoder):
    """An encoder whose batches run in other processes. Open one with `spread`.

    It tokenises here; `submit` gives the texts to the next process that is free. Vectors are those of one device: each
    list of texts is embedded whole, by one process, in the batches that a single encoder makes of it.
    """

    processes: Processes

    @property
    def in_hand(self) -> int:
        """Lists of texts that keep every device busy."""
        return _IN_HAND * self.processes.count

    def submit(self, tokens: Tokens, on_batch: Callable[[int], None] | None = None) -> Future[NDArray[np.float32]]:
        """Embeds texts in one of the processes; see `Encoder.submit`."""
        return self.processes.submit(tokens, self.dim, on_batch)

    def embed(self, tokens: Tokens, on_batch: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Embeds texts in one of the processes; see `Encoder.embed`."""
        return self.submit(tokens, on_batch).result()


class _Elsewhere:
    """The face of an engine that runs in other processes; texts reach it by `SpreadEncoder.submit`."""

    def __init__(self, loaded: _Loaded, processes: Processes) -> None:
        self.dim, self.token_budget, self.tokenizer = loaded
        self._processes = processes

    def embed(self, texts: Sequence[NDArray[np.int32]], skip: Sequence[int]) -> NDArray[np.float32]:
        """Embeds one batch; see `Engine.embed`."""
        lengths = [len(text) for text in texts]
        tokens = Tokens(
            ids=np.concatenate(texts),
            offsets=np.cumsum([0, *lengths]),
            truncated=np.zeros(len(texts), dtype=np.bool_),
            skip=np.asarray(skip, dtype=np.int32),
        )
        return self._processes.submit(tokens, self.dim).result()


class Processes:
    """A process for each device; they end with the one that feeds them, however that ends.

    Args:
        loading: The model.
        hardware: One for each process.
    """

    def __init__(self, loading: _Loading, hardware: Sequence[Hardware]) -> None:
        self._devices = [one.device for one in hardware]
        # Started anew, not forked: CUDA and OpenMP do not outlive a fork.
        context = multiprocessing.get_context("spawn")
        devices: Queue[Hardware] = context.Queue()
        for one in hardware:
            devices.put(one)
        self._pool = ProcessPoolExecutor(
            len(hardware), mp_context=context, initializer=_begin, initargs=(loading, devices)
        )

    @property
    def count(self) -> int:
        """Processes."""
        return len(self._devices)

    def loaded(self) -> _Loaded:
        """What the model is, told by the first process that has it."""
        with self._named_faults():
            return self._pool.submit(_loaded).result()

    def submit(
        self, tokens: Tokens, dimension: int, on_batch: Callable[[int], None] | None = None
    ) -> Future[NDArray[np.float32]]:
        """Texts for the next process that is free; vectors of so many numbers."""
        with self._named_faults():
            inner = self._pool.submit(_embed, tokens, dimension)
        result: Future[NDArray[np.float32]] = Future()

        def pass_on(done: Future[NDArray[np.float32]]) -> None:
            try:
                with self._named_faults():
                    vectors = done.result()
                if on_batch is not None:
                    on_batch(len(tokens))
                result.set_result(vectors)
            except BaseException as error:  # noqa: BLE001 (raised where the vectors are asked for)
                result.set_exception(error)

        inner.add_done_callback(pass_on)
        return result

    def close(self) -> None:
        """Ends the processes; what is not begun is not done."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _named_faults(self) -> Iterator[None]:
        try:
            yield
        except BrokenProcessPool as error:
            raise ModelError(
                f"a process that embeds on {', '.join(self._devices)} has died (killed, or out of memory?); parts that "
                "are finished stay: run the same command again, perhaps on fewer devices"
            ) from error


@contextmanager
def spread(
    name_or_path: str,
    devices: Sequence[str],
    *,
    dtype: str | None = None,
    threads: int | None = None,
    input_format: InputFormat | str | None = None,
) -> Iterator[SpreadEncoder]:
    """Loads a model once on each of several devices.

    Args:
        name_or_path: See `tart.models.locate`.
        devices: Such as ["cuda:0", "cuda:1"]; "cuda" stands for every GPU that torch sees, "cpu" for one process.
        dtype: See `Encoder.load`; one for all devices.
        threads: CPU threads of all processes together.
        input_format: See `Encoder.load`.

    Raises:
        ModelError: No such model or device, or the devices would use different number types.
    """
    folder = ModelFolder.open(name_or_path)
    hardware = _hardware(devices, dtype, threads)
    processes = Processes(_Loading(name_or_path, hardware[0].dtype, input_format), hardware)
    try:
        encoder = SpreadEncoder.of(folder, lambda: _Elsewhere(processes.loaded(), processes), input_format, hardware[0])
        encoder.processes = processes
        yield encoder
    finally:
        processes.close()


def _hardware(devices: Sequence[str], dtype: str | None, threads: int | None) -> list[Hardware]:
    """One for each process; CPU threads are divided among them."""
    names = [name for device in devices for name in _expanded(device)]
    if not names:
        raise ModelError("no device is named; wanted a list such as cuda:0,cuda:1")
    hardware = [Hardware.choose(name, dtype, threads) for name in names]
    if len({one.dtype for one in hardware}) > 1:
        found = ", ".join(f"{one.device}: {one.dtype}" for one in hardware)
        raise ModelError(f"the devices would use different number types ({found}); say one of them as --dtype")
    share = max(1, hardware[0].threads // len(hardware))
    return [replace(one, threads=share) for one in hardware]


def _expanded(device: str) -> list[str]:
    if device == "cuda" and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [device]


class _Process:
    """What one of the processes holds: its device from the start, its encoder from the first text on."""

    loading: _Loading
    hardware: Hardware
    encoder: Encoder | None = None


def _begin(loading: _Loading, devices: Queue[Hardware]) -> None:
    """The first thing in a process. The model is loaded later, where a fault reaches the one who asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="tart-parent", daemon=True).start()
    _Process.loading, _Process.hardware = loading, devices.get()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _encoder() -> Encoder:
    if _Process.encoder is None:
        (name, dtype, input_format), hardware = _Process.loading, _Process.hardware
        _Process.encoder = Encoder.load(
            name, device=hardware.device, dtype=dtype, threads=hardware.threads, input_format=input_format
        )
    return _Process.encoder


def _loaded() -> _Loaded:
    encoder = _encoder()
    return _Loaded(encoder.dim, encoder.token_budget, encoder.fast_tokenizer)


def _embed(tokens: Tokens, dimension: int) -> NDArray[np.float32]:
    return _encoder().cut(dimension).embed(tokens)
