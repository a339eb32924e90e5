"""Fine-tunes a language model on a selection with TRL: `python sft_trl.py chosen [model]`."""

from __future__ import annotations

import sys

from datasets import Dataset, load_dataset


def training_set(folder: str) -> Dataset:
    """The rows of a selection: columns `prompt` and `completion`, or `messages`."""
    return load_dataset("json", data_files=f"{folder}/sft.jsonl", split="train")


def main(folder: str, model: str = "Qwen/Qwen3-0.6B") -> None:
    """Trains on the completions only, which is what TRL does with these columns by default."""
    from trl import SFTConfig, SFTTrainer

    settings = SFTConfig(output_dir=f"{folder}-model", num_train_epochs=2, per_device_train_batch_size=8)
    SFTTrainer(model=model, args=settings, train_dataset=training_set(folder)).train()


if __name__ == "__main__":
    main(*sys.argv[1:3])
