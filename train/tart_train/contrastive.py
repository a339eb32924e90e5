"""The contrastive loss of TART-dual, with what may be added to it.

InfoNCE over all documents of the batch (van den Oord et al. 2018, eq. 4; Asai et al. 2022, section 4.2): a query's
positive against every other document that is not marked as a false negative.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)

from tart_train.dual_recipe import LossSettings
from tart_train.inputs import Batch


class ContrastiveLoss(torch.nn.Module):
    """The loss of one batch from its texts' vectors.

    Args:
        settings: The recipe's part.
    """

    def __init__(self, settings: LossSettings) -> None:
        super().__init__()
        self._settings = settings

    def forward(
        self, vectors: torch.Tensor, batch: Batch, anchors: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss and what a log wants to know.

        Args:
            vectors: Shape: (n_queries + n_documents, dim), unit rows, in the order of the batch's texts.
            batch: What was read.
            anchors: The base model's vectors of documents and bare queries; see `anchored`.

        Returns:
            The loss, and its parts and shares by name.
        """
        masked = torch.from_numpy(batch.masked).to(vectors.device)
        positives = torch.from_numpy(batch.positives).to(vectors.device)
        parts: dict[str, torch.Tensor] = {}
        scores = cosines(vectors, batch.queries)
        per_query = info_nce(scores / self._settings.temperature, positives, masked)
        parts["contrastive"] = per_query.mean()
        if self._settings.symmetric:
            parts["symmetric"] = reversed_info_nce(scores / self._settings.temperature, positives, masked).mean()
        for dim in self._settings.matryoshka:
            short = cosines(F.normalize(vectors[:, :dim], dim=1), batch.queries)
            parts[f"matryoshka_{dim}"] = info_nce(short / self._settings.temperature, positives, masked).mean()
        if self._settings.distillation:
            teacher = torch.from_numpy(batch.teacher).to(vectors.device)
            parts["distillation"] = self._settings.distillation * self._distilled(scores, positives, teacher)
        if anchors is not None:
            drift = 1 - (vectors[anchored(batch).to(vectors.device)] * anchors).sum(dim=1)
            parts["anchor"] = self._settings.anchor * drift.mean()
        loss = torch.stack(list(parts.values())).sum()
        told = {name: part.item() for name, part in parts.items()} if len(parts) > 1 else {}
        return loss, told | _shares(scores.detach(), per_query.detach(), batch)

    def _distilled(self, scores: torch.Tensor, positives: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """KL divergence of the scores over a row's positive and scored negatives from the miner's (Hinton et al. 2015).

        Rows without a scored negative count nothing.
        """
        teacher = teacher.scatter(1, positives[:, None], self._settings.distillation_positive)
        told = ~teacher.isnan()
        rows = told.sum(dim=1) > 1
        if not rows.any():
            return scores.new_zeros(())
        wanted = torch.where(told, teacher / self._settings.distillation_temperature, -torch.inf)[rows]
        found = torch.where(told, scores / self._settings.temperature, -torch.inf)[rows]
        target, guess = wanted.log_softmax(dim=1), found.log_softmax(dim=1)
        difference = torch.where(told[rows], target - guess, 0.0)
        return (target.exp() * difference).sum(dim=1).mean()


def cosines(vectors: torch.Tensor, queries: int) -> torch.Tensor:
    """Scores of all queries with all documents. Shape: (n_queries, n_documents)."""
    return vectors[:queries] @ vectors[queries:].T


def info_nce(logits: torch.Tensor, positives: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """-log softmax of each query's positive over the documents that are not masked. Shape: (n_queries,)."""
    return F.cross_entropy(logits.masked_fill(masked, -torch.inf), positives, reduction="none")


def reversed_info_nce(logits: torch.Tensor, positives: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """-log softmax of each positive's own query over the batch's queries. Shape: (n_queries,).

    Other queries that the document fits are left out: those that mask it and those with the same positive.
    """
    found = logits[:, positives].T
    fits = masked[:, positives].T | (positives[:, None] == positives[None, :])
    fits.fill_diagonal_(fill_value=False)
    own = torch.arange(len(positives), device=logits.device)
    return F.cross_entropy(found.masked_fill(fits, -torch.inf), own, reduction="none")


def anchored(batch: Batch) -> torch.Tensor:
    """Texts that stay near the base model: documents and bare queries. Shape: (n,), int64."""
    bare = torch.from_numpy(batch.bare).nonzero().squeeze(1)
    return torch.cat([bare, torch.arange(batch.queries, len(batch.texts))])


def _shares(scores: torch.Tensor, per_query: torch.Tensor, batch: Batch) -> dict[str, float]:
    """How many positives are found, over all, and above the row's own negatives where it has an instruction."""
    masked = torch.from_numpy(batch.masked).to(scores.device)
    positives = torch.from_numpy(batch.positives).to(scores.device)
    own = scores.gather(1, positives[:, None])
    others = scores.masked_fill(masked, -torch.inf).scatter(1, positives[:, None], -torch.inf)
    found = {"top1": (own[:, 0] > others.amax(dim=1)).float().mean().item()}
    bare = torch.from_numpy(batch.bare).to(scores.device)
    grouped = torch.from_numpy(batch.grouped).to(scores.device) & ~bare
    for name, rows in (("loss_bare", bare), ("loss_instructed", ~bare & ~grouped), ("loss_contrast", grouped)):
        if rows.any():
            found[name] = per_query[rows].mean().item()
    rivals = torch.from_numpy(batch.negatives).to(scores.device) & ~masked
    rows = grouped & rivals.any(dim=1)
    if rows.any():
        best = scores.masked_fill(~rivals, -torch.inf).amax(dim=1)
        found["contrast_right"] = (own[:, 0] > best)[rows].float().mean().item()
    return found
