"""Inputs of an embeddings request to token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from tart.documents import Document
from tart.encoder import Encoder
from tart.errors import QueryError
from tart.tokens import Tokens
from tart_serve.jobs import estimated_tokens
from tart_serve.refusal import FieldFault, Refusal
from tart_serve.schemas.embeddings import EmbeddingsBody


def estimated_input_tokens(encoder: Encoder, body: EmbeddingsBody) -> int:
    """Tokens of all inputs together, about, told without tokenising."""
    given = body.input
    if isinstance(given, str):
        return estimated_tokens(len(given) + len(body.instruction or ""), encoder)
    if isinstance(given[0], int):
        return min(len(given), encoder.max_length)
    instruction = len(body.instruction or "")
    return sum(
        estimated_tokens(len(one) + instruction, encoder) if isinstance(one, str) else min(len(one), encoder.max_length)
        for one in given
        if not isinstance(one, int)
    )


def tokenize_inputs(encoder: Encoder, body: EmbeddingsBody) -> Tokens:
    """Token ids of the inputs of a request.

    Raises:
        Refusal: An input is blank, too long or of unknown token ids, or the fields contradict each other (400).
    """
    tokens = _tokenize(encoder, body)
    if not body.truncate and tokens.truncated.any():
        _refuse_long(encoder, body, int(tokens.truncated.argmax()))
    return tokens


def check_dimensions(encoder: Encoder, dimensions: int | None) -> None:
    """Refuses vectors of another length than the model's.

    Raises:
        Refusal: They are asked for (400).
    """
    if dimensions is not None and dimensions != encoder.dim:
        _refuse(
            "dimensions",
            f"found {dimensions}; this model gives vectors of {encoder.dim} numbers and is not known to be trained for "
            "shorter ones; leave dimensions out",
        )


def _tokenize(encoder: Encoder, body: EmbeddingsBody) -> Tokens:
    given = body.input
    if isinstance(given, str):
        return _tokenize_texts(encoder, body, [given])
    texts = [one for one in given if isinstance(one, str)]
    if texts:
        return _tokenize_texts(encoder, body, texts)
    token_ids = [one for one in given if isinstance(one, list)] or [[one for one in given if isinstance(one, int)]]
    return _tokenize_ids(encoder, body, token_ids)


def _tokenize_texts(encoder: Encoder, body: EmbeddingsBody, texts: Sequence[str]) -> Tokens:
    for number, text in enumerate(texts):
        if not text.strip():
            _refuse("input", f"text {number} is blank; give every input a text")
    if body.input_type == "document":
        if body.instruction:
            _refuse("instruction", "an instruction belongs to queries; leave it out, or leave input_type document out")
        return encoder.tokenize_documents([Document(str(number), text) for number, text in enumerate(texts)])
    try:
        return encoder.tokenize_queries(texts, [body.instruction] * len(texts), truncate=True)
    except QueryError as error:
        _refuse("instruction", str(error), "context_length_exceeded")


def _tokenize_ids(encoder: Encoder, body: EmbeddingsBody, token_ids: Sequence[Sequence[int]]) -> Tokens:
    for field in ("instruction", "input_type"):
        if getattr(body, field) is not None:
            _refuse(field, "it applies to texts, and the input is token ids; send texts, or leave this field out")
    try:
        return encoder.tokenize_ids(token_ids)
    except QueryError as error:
        _refuse("input", str(error))


def _refuse_long(encoder: Encoder, body: EmbeddingsBody, number: int) -> NoReturn:
    what = "instruction and text" if body.instruction else "input"
    _refuse(
        "input",
        f"{what} {number} together have more tokens than the {encoder.max_length} that the model takes; "
        'shorten the input, or say "truncate": true',
        "context_length_exceeded",
    )


def _refuse(field: str, detail: str, code: str | None = None) -> NoReturn:
    raise Refusal(400, f"{field}: {detail}", [FieldFault(f"#/{field}", detail)], code=code)
