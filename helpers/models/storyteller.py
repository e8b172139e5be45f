"""The storyteller: a small decoder of Llama's kind with its own vocabulary, trained by this course on old books."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.downloads.hashes import verify

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

ASSETS = Path(__file__).parents[1] / "assets"
WEIGHTS, VOCABULARY, SETTINGS = "storyteller.safetensors", "storyteller_vocabulary.json", "storyteller.json"
END = "<|end|>"  # stands before and after each story, and fills up a batch


def new_storyteller(vocab_size: int, end_id: int, **changes: Any) -> LlamaForCausalLM:
    """Return one that has not learned anything yet.

    Parameters
    ----------
    vocab_size
        Tokens of its vocabulary.
    end_id
        Which of them is `END`.
    **changes
        Other settings of `transformers.LlamaConfig` than the storyteller's.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    settings = {
        "hidden_size": 256,
        "intermediate_size": 688,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
    }
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end_id)
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, **settings | ids | changes))


def as_tokenizer(file: Path) -> PreTrainedTokenizerFast:
    """Read a vocabulary that `tokenizers` saved; a batch is padded on the left, as generating wants it."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_file=str(file), bos_token=END, eos_token=END, pad_token=END, padding_side="left"
    )


def save_storyteller(model: LlamaForCausalLM, vocabulary: str, folder: Path) -> dict[str, str]:
    """Write weights in half width, vocabulary and settings; return the SHA-256 of the first two by file name."""
    from safetensors.torch import save_file

    from helpers.downloads.hashes import file_sha256

    folder.mkdir(parents=True, exist_ok=True)
    # Tied: the matrix that ends the model is the one that begins it.
    weights = {name: weight.detach().half().contiguous().cpu() for name, weight in model.named_parameters()}
    save_file(weights, folder / WEIGHTS)
    (folder / VOCABULARY).write_text(vocabulary, "utf-8")
    hashes = {name: file_sha256(folder / name) for name in (WEIGHTS, VOCABULARY)}
    config = {name: value for name, value in model.config.to_diff_dict().items() if name != "transformers_version"}
    (folder / SETTINGS).write_text(json.dumps({"config": config, "sha256": hashes}, indent=1) + "\n", "utf-8")
    return hashes


def read_storyteller(folder: Path = ASSETS) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Load what `save_storyteller` wrote, in float32 and eval mode.

    Raises
    ------
    DownloadError
        A file is not the one that the settings name by its SHA-256.
    """
    from safetensors.torch import load_file
    from transformers import LlamaConfig, LlamaForCausalLM

    settings = json.loads((folder / SETTINGS).read_text("utf-8"))
    for name, sha256 in settings["sha256"].items():
        verify(folder / name, sha256)
    model = LlamaForCausalLM(LlamaConfig(**settings["config"]))
    model.load_state_dict({k: w.float() for k, w in load_file(folder / WEIGHTS).items()}, strict=False)
    model.tie_weights()
    return model.eval(), as_tokenizer(folder / VOCABULARY)
