"""Tiny models with random weights, made in a second: whole folders that load like real ones."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel

from tart.engines.pair_head import PairHead, PairPooling
from tart.formats import TART
from tart.model_folders import fingerprint
from tart.models import locate
from tart.pair_format import PairFormat
from tart.reranker_folder import RerankerSettings, save_head

WIDTH = 24
CONFIG = {
    "vocab_size": 30522,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 512,
    # Large enough that layers and sides really differ.
    "initializer_range": 0.3,
}


def tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """A BERT of two layers in the layout of sentence-transformers, with the shipped model's tokenizer."""
    torch.manual_seed(seed)
    BertModel(BertConfig(**CONFIG)).save_pretrained(folder)
    _add_tokenizer(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def tiny_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """A BERT classifier as sentence-transformers saves a CrossEncoder."""
    torch.manual_seed(1)
    BertForSequenceClassification(BertConfig(**CONFIG, num_labels=labels)).save_pretrained(folder)
    _add_tokenizer(folder)
    return folder


def tiny_reranker(
    folder: Path, base: Path, pooling: PairPooling = "mean", pair_format: PairFormat | None = None, rank: int = 4
) -> Path:
    """An adapter folder with random weights over a tiny encoder."""
    torch.manual_seed(2)
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", init_lora_weights=False)
    with warnings.catch_warnings():
        # PEFT 0.21 asks transformers 5 for a name that it means to drop.
        warnings.simplefilter("ignore", FutureWarning)
        get_peft_model(BertModel.from_pretrained(base), settings).save_pretrained(folder)
    save_head(random_head(pooling), folder)
    chosen = pair_format or PairFormat(TART, max_length=96, min_document_tokens=8)
    RerankerSettings(chosen, pooling, str(base), fingerprint(base)).save(folder)
    return folder


def random_head(pooling: PairPooling) -> PairHead:
    """A head whose weights are all random."""
    torch.manual_seed(3)
    head = PairHead(WIDTH, pooling)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def _add_tokenizer(folder: Path) -> None:
    shipped = locate("all-MiniLM-L6-v2")
    tokenizer = Tokenizer.from_file(str(shipped / "tokenizer.json"))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "BertTokenizerFast", "model_max_length": 512, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
