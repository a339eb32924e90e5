"""Instructions: what the caller wants found, in plain words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instruction:
    """What to retrieve for a query.

    An instruction names an intent, a domain and a unit (Asai et al. 2022, "Task-aware Retrieval with Instructions",
    section 3.1): "Retrieve a | PubMed abstract paragraph | that answers this question". Free text is as good; the
    three parts are then empty.

    Attributes:
        text: What the model reads, white space collapsed. Empty means no instruction.
        intent: How a document relates to the query ("answers this question").
        domain: Where documents come from ("PubMed").
        unit: What one document is ("abstract paragraph").
    """

    text: str = ""
    intent: str = ""
    domain: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        for name in ("text", "intent", "domain", "unit"):
            object.__setattr__(self, name, " ".join(getattr(self, name).split()))

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def compose(cls, intent: str, domain: str = "", unit: str = "document") -> Instruction:
        """Words an instruction from its three parts.

        >>> Instruction.compose("answers this question", "PubMed", "abstract paragraph").text
        'Retrieve a PubMed abstract paragraph that answers this question'
        """
        noun = " ".join(part for part in (domain.strip(), unit.strip()) if part)
        article = "an" if noun[:1].lower() in "aeiou" else "a"
        return cls(f"Retrieve {article} {noun} that {intent.strip()}", intent, domain, unit)


NO_INSTRUCTION = Instruction()
