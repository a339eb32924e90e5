"""`GET /v1/instructions`."""

from __future__ import annotations

from fastapi import APIRouter

from tart.instruction_words import DOMAINS, EXAMPLES, INTENTS, UNITS
from tart_serve.schemas.instructions import IndexInstructions, InstructionsReply, InstructionVocabulary
from tart_serve.served_indexes import ServedIndex
from tart_serve.service import ServiceOf

router = APIRouter(tags=["Search"])

_VOCABULARY = InstructionVocabulary(intents=list(INTENTS), domains=list(DOMAINS), units=list(UNITS))


@router.get(
    "/v1/instructions",
    summary="What may be said as an instruction",
    response_model=InstructionsReply,
    response_description="The stored instructions of every index, and words to put new ones together.",
)
async def instructions(service: ServiceOf) -> InstructionsReply:
    """Lists the default and the named instructions of each index, and a vocabulary of intents, domains and units.

    An instruction says what a document should be to the query: "Retrieve an encyclopedia paragraph that answers this
    question". The vocabulary helps to word one; a model reads any other words as well.
    """
    return InstructionsReply(
        object="instructions",
        indexes={index.name: _stored(index) for index in service.indexes},
        vocabulary=_VOCABULARY,
        examples=list(EXAMPLES),
    )


def _stored(index: ServedIndex) -> IndexInstructions:
    manifest = index.searcher.folder.manifest
    return IndexInstructions(default=manifest.default_instruction, named=dict(manifest.prompts))
