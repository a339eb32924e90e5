"""Linear layers with weights laid out once for this CPU's matrix kernels."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812 (the name that every reader of torch code knows)

# The layout is chosen for batches of about this many tokens; every other size is right, too.
_TYPICAL_TOKENS = 1_024


class Linear:
    """``x @ weight.T + bias``, optionally with GELU in the same pass.

    On a CPU the weight is reordered once for oneDNN, the library behind torch's own bfloat16 products. That saves a
    reorder per call, fuses GELU, and in float32 replaces MKL, which is slow on AMD (bench/encode/ablation:
    2.2x in float32 and 1.07x in bfloat16 on an EPYC). The operator is torch-internal, so it is tried on numbers first
    and left alone where it is missing or wrong.

    Args:
        weight: Shape: (out, in).
        bias: Shape: (out,).
        gelu: Apply GELU (the exact one, by erf) to the result.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool = False) -> None:
        self._bias = bias
        self._gelu = gelu
        self._reordered = weight.device.type == "cpu" and onednn_linear_works(weight.dtype)
        self._weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _TYPICAL_TOKENS) if self._reordered else weight
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Shape: (tokens, in) -> (tokens, out)."""
        if self._reordered:
            return _onednn(x, self._weight, self._bias, gelu=self._gelu)
        y = F.linear(x, self._weight, self._bias)
        return F.gelu(y) if self._gelu else y


def _onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, gelu: bool) -> torch.Tensor:
    attribute, algorithm = ("gelu", "none") if gelu else ("none", "")
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, attribute, [], algorithm)
    return result


@cache
def onednn_linear_works(dtype: torch.dtype) -> bool:
    """Whether the internal operator is there and agrees with `torch.nn.functional.linear` on this machine."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*shape, generator=generator).to(dtype) for shape in ((5, 64), (48, 64), (48,)))
    try:
        reordered = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_TOKENS)
        found = [_onednn(x, reordered, bias, gelu=gelu).float() for gelu in (False, True)]
    except (AttributeError, RuntimeError):
        return False
    plain = F.linear(x, weight, bias).float()
    tolerance = 1e-4 if dtype == torch.float32 else 0.15
    wanted = [plain, F.gelu(plain)]
    return all(torch.allclose(f, w, atol=tolerance, rtol=tolerance) for f, w in zip(found, wanted, strict=True))
