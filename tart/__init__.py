"""Instruction-aware retrieval: the data types, the formats, the encoder and the reranker that every step shares."""

from typing import TYPE_CHECKING

from tart.documents import Document
from tart.errors import TartError
from tart.formats import InputFormat
from tart.instructions import Instruction
from tart.lazy import lazy_names

if TYPE_CHECKING:
    from tart.encoder import Encoder
    from tart.reranker import Reranker

__version__ = "0.1.0"

__all__ = ["Document", "Encoder", "InputFormat", "Instruction", "Reranker", "TartError", "__version__"]

__getattr__ = lazy_names(__name__, {"Encoder": "tart.encoder", "Reranker": "tart.reranker"})
