"""The jobs that wait for the model, and which of them form the next batch."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import Any

from tart_serve.caller import Caller
from tart_serve.jobs import Job
from tart_serve.refusal import Refusal


class Ticket:
    """A job in the queue.

    Args:
        job: What is to be done.
        caller: Who waits; None for the service itself.

    Attributes:
        outcome: What comes of it, and the seconds that it waited.
        asked: When, on the clock of `time.perf_counter`.
    """

    def __init__(self, job: Job, caller: Caller | None) -> None:
        self.job = job
        self.outcome: asyncio.Future[tuple[Any, float]] = asyncio.get_running_loop().create_future()
        self.asked = time.perf_counter()
        self._caller = caller

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for the outcome."""
        return not self.outcome.done() and (self._caller is None or not self._caller.is_gone())

    def settle(self, outcome: Any, waited: float) -> None:
        """Ends the wait with what came of the job: a value, or an error."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result((outcome, waited))

    def expire(self) -> bool:
        """Ends the wait because the deadline has passed; says whether it had not ended before."""
        if self.outcome.done():
            return False
        waited = time.perf_counter() - self.asked
        detail = f"no answer within {waited:.3g} s; try again later, ask for less, or allow more time"
        self.outcome.set_exception(Refusal(504, detail))
        return True


class WaitingJobs:
    """Tickets in the order of their arrival."""

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()

    def __len__(self) -> int:
        return len(self._tickets)

    def append(self, ticket: Ticket) -> None:
        """Puts a ticket at the end."""
        self._tickets.append(ticket)

    def drop_unwanted(self) -> int:
        """Takes out what nobody waits for any more, and says how many."""
        unwanted = [ticket for ticket in self._tickets if not ticket.is_wanted]
        for ticket in unwanted:
            # Nobody reads this; but the request's own task has to end.
            ticket.settle(Refusal(499, "the client has gone"), 0.0)
        self._tickets = deque(ticket for ticket in self._tickets if not ticket.outcome.done())
        return len(unwanted)

    def drop_all(self) -> None:
        """Takes out everything."""
        for ticket in self._tickets:
            ticket.settle(Refusal(503, "this process has ended; send the request again: another may answer"), 0.0)
        self._tickets.clear()

    def next_batch(self, budget: int | None, lanes: int = 1) -> list[Ticket]:
        """Takes out the first ticket, and those behind it that may share its batch, within a budget of tokens.

        Args:
            budget: Tokens of a batch; by default as many as suit the first job's model.
            lanes: That are free: this batch is one's share of what waits.
        """
        share = math.ceil(sum(ticket.job.tokens for ticket in self._tickets) / lanes)
        batch: list[Ticket] = []
        left: deque[Ticket] = deque()
        room = 0
        while self._tickets:
            ticket = self._tickets.popleft()
            if not batch:
                room = min(budget or ticket.job.budget, share)
            elif ticket.job.kind != batch[0].job.kind or ticket.job.tokens > room:
                left.append(ticket)
                continue
            batch.append(ticket)
            room -= ticket.job.tokens
            if room <= 0:
                break
        left.extend(self._tickets)
        self._tickets = left
        return batch
