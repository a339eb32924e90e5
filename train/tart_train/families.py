"""Which sets hold the same kind of document, so that one's documents must not be wrong answers for the other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tart_train.card import Card

# Sets whose cards word alike things differently. Sets that are not here are grouped by their card's domain and unit.
OVERRIDES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("boolq", "wiki_intro", "wiki_section", "quac", "disfl_qa", "xquad_en"), "wikipedia passage"),
        **dict.fromkeys(("selqa", "qamr", "foolmetwice", "asset_valid"), "wikipedia sentence"),
        **dict.fromkeys(("codenn_python", "conala_train", "docstring_oss", "code_docstring", "mbpp"), "python code"),
        **dict.fromkeys(("nl2bash", "tldr_example"), "shell command"),
        **dict.fromkeys(("evinf_ico", "evinf_title", "pubmedqa_abstract", "med"), "biomedical abstract"),
        **dict.fromkeys(("bioasq_7b_10b", "bioasq_11b", "pubmedqa_conclusion"), "biomedical passage"),
        **dict.fromkeys(("medquad", "medquad_facets"), "consumer health answer"),
        **dict.fromkeys(("product_docs", "product_docs_other"), "software documentation"),
        **dict.fromkeys(("debate", "debate_stance", "argkp"), "argument"),
        **dict.fromkeys(("xsum_sum2doc", "reuters_headline", "agnews"), "news article"),
    }
)


def family(card: Card) -> str:
    """The family of a set: named above, else its card's domain and unit.

    >>> family(Card("conala_train")), family(Card("metatool", domain="tools", unit="tool description"))
    ('python code', 'tools: tool description')
    """
    return OVERRIDES.get(card.name) or f"{card.domain}: {card.unit or card.name}".casefold()
