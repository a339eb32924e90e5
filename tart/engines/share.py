"""How many processors the work of a thread may use, where several threads work side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
_HERE = threading.local()


def share_of(threads: int) -> int:
    """So many CPU threads, or this thread's share where it has a smaller one."""
    return min(threads, getattr(_HERE, "share", threads))


def take_share(threads: int) -> None:
    """Gives the calling thread a share; it holds for torch, and for whatever asks `share_of`, until another is given.

    OpenMP keeps its number of threads for each thread that asks for work; FAISS, which may share torch's runtime, is
    told at each search.
    """
    _HERE.share = threads
    use_threads(threads)


def use_threads(threads: int) -> None:
    """Lets torch use so many CPU threads for the calling thread, but no more than its share."""
    if torch.get_num_threads() != share_of(threads):
        torch.set_num_threads(share_of(threads))


def in_passing_thread(work: Callable[[], T]) -> T:
    """Runs blocking work in a thread that ends with it, and with it the threads that OpenMP keeps for it.

    Once more threads stand by than there are processors, libgomp's no longer wait actively for the next step, and each
    of the small steps of a query has to wake them: 17 ms for one that takes 10.5 otherwise.
    """
    with ThreadPoolExecutor(1, "tart-load") as passing:
        return passing.submit(work).result()
