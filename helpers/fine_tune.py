"""Fine-tune a pretrained encoder on one processor or on several at once: the training of lesson 08 as a program.

    python -m helpers.fine_tune --steps 500 --output fine-tuned
    accelerate launch --multi_gpu --num_processes 2 -m helpers.fine_tune --steps 500 --output fine-tuned

Several processes share each batch, so the model that comes out is the same, up to rounding. It takes the `accelerate`
package: `pip install accelerate`. By default the classifier is the published recipe's; `--reads mean --freeze 3` is
what the lesson trains.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers.batches import SimilarLengths
from helpers.data import load_reviews, load_topics
from helpers.layers import TextClassifier, pad_batch
from helpers.precision import uses_bfloat16
from helpers.pretrained import load_classifier, load_encoder, load_tokenizer
from helpers.reports.steps import StepReport

READS = {"cls": "[CLS]", "mean": "mean"}  # as the command line spells it, and as TextClassifier does


def main(arguments: list[str] | None = None) -> int:
    """Train as the command line says, and save the model where it says."""
    args = _parser().parse_args(arguments)
    try:
        from accelerate import Accelerator, DataLoaderConfiguration
    except ImportError:
        print("This program takes one more package: pip install accelerate", file=sys.stderr)
        return 1
    on_cpu = not torch.cuda.is_available()
    accelerator = Accelerator(
        cpu=on_cpu,
        # The batch stays as large as it is with one process: each process gets its part of it.
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        mixed_precision="bf16" if uses_bfloat16("cpu" if on_cpu else "cuda") else "no",
    )
    torch.manual_seed(args.seed)
    tokenizer = load_tokenizer(args.model)
    texts = {"topics": load_topics, "levels": load_reviews}[args.task](args.data, tokenizer=tokenizer)
    model = make_model(args, texts.num_classes)
    loader = make_loader(texts.train, tokenizer, args.batch_size, args.max_len, args.seed)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=args.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=args.steps)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    model.train()
    with StepReport(args.steps, quiet=not accelerator.is_main_process) as report:
        for _, (labels, input_ids, attention_mask) in zip(range(args.steps), _endless(loader), strict=False):
            with accelerator.autocast():
                logits = model(input_ids=input_ids, attention_mask=attention_mask)
            loss = F.cross_entropy(_tensor(logits).float(), labels)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            report.step(float(accelerator.reduce(loss.detach(), reduction="mean")))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        trained_model = accelerator.unwrap_model(model)
        with accelerator.autocast():
            right, held_out = count_right(trained_model, texts.test, tokenizer, args.max_len)
        print(f"{right:,} of {held_out:,} held-out texts right: {right / held_out:.4f}")
        if args.output is not None:
            tokenizer.save_pretrained(args.output)
            print(save(trained_model, args.output, texts.num_classes))
    accelerator.end_training()
    return 0


def make_model(args: argparse.Namespace, num_classes: int) -> Any:
    """Load the classifier that the command line asks for, without dropout, its lowest part frozen."""
    if args.reads == "recipe":
        model: Any = load_classifier(num_classes, args.model)
        encoder = model.base_model
    else:
        model = TextClassifier(load_encoder(args.model), num_classes, reads=READS[args.reads])
        encoder = model.encoder
        if (
            getattr(encoder, "pooler", None) is not None
        ):  # nobody reads it, and processes that share a model would wait for its gradient
            encoder.pooler.requires_grad_(False)
    without_dropout(model)
    encoder.embeddings.requires_grad_(args.model is not None)  # half of the small encoder, and slow to update
    blocks = next(part for part in encoder.modules() if isinstance(part, torch.nn.ModuleList))
    blocks[: args.freeze].requires_grad_(False)
    return model


@torch.inference_mode()
def count_right(model: Any, part: Any, tokenizer: Any, max_len: int) -> tuple[int, int]:
    """Count the texts that a classifier gets right, and all."""
    pairs = sorted(zip(part["label"][:], part["text"][:], strict=True), key=lambda pair: len(pair[1]))
    device = next(model.parameters()).device
    model.eval()
    right = 0
    for start in range(0, len(pairs), 32):
        labels, ids, mask = (x.to(device) for x in pad_batch(pairs[start : start + 32], tokenizer, max_len))
        right += int((_tensor(model(ids, attention_mask=mask)).argmax(dim=-1) == labels).sum())
    return right, len(pairs)


def save(model: Any, folder: Path, num_classes: int) -> str:
    """Save a classifier; return a sentence that says how to get it back."""
    if not isinstance(model, TextClassifier):
        model.save_pretrained(folder)
        return f"Saved in {folder}: load_classifier({num_classes}, {str(folder)!r}) brings it back."
    model.encoder.save_pretrained(folder)
    save_file(model.head.state_dict(), folder / "head.safetensors")
    return (
        f"Saved in {folder}: load_encoder({str(folder)!r}) brings the encoder back; head.safetensors is its classifier."
    )


def _tensor(logits: Any) -> torch.Tensor:
    """The logits alone: transformers' classifier wraps them."""
    return getattr(logits, "logits", logits)


def without_dropout(model: torch.nn.Module) -> None:
    """Switch dropout off for good: each text is seen about once, so nothing can be learned by heart."""
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0


def make_loader(part: Any, tokenizer: Any, batch_size: int, max_len: int, seed: int) -> DataLoader:
    """Make a loader of (labels, input_ids, attention_mask) in which texts of about the same length meet."""
    pairs = list(zip(part["label"][:], part["text"][:], strict=True))
    lengths = [min(len(token_ids), max_len) for token_ids in tokenizer([text for _, text in pairs])["input_ids"]]
    return DataLoader(
        pairs,  # type: ignore[arg-type]  # a list is a Dataset in all but name
        batch_sampler=SimilarLengths(lengths, batch_size, seed),
        collate_fn=partial(pad_batch, tokenizer=tokenizer, max_len=max_len),
    )


def _endless(loader: DataLoader) -> Iterator[Any]:
    while True:
        yield from loader


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.fine_tune", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--task", choices=("topics", "levels"), default="topics", help="what to tell apart")
    parser.add_argument("--data", choices=("sample", "full"), default=None, help="by default what COURSE_DATA says")
    parser.add_argument("--model", default=None, help="a name or a directory (default: the small encoder)")
    parser.add_argument(
        "--reads",
        choices=("recipe", *READS),
        default="recipe",
        help="the vector that the classifier reads: [CLS] through the pooler, as published (default), [CLS] itself, or "
        "the mean",
    )
    parser.add_argument(
        "--freeze", type=int, default=0, help="how many of the lowest blocks stay as they are (default: 0)"
    )
    parser.add_argument("--steps", type=int, default=500, help="default: 500")
    parser.add_argument("--batch-size", type=int, default=8, help="of all processes together (default: 8)")
    parser.add_argument(
        "--learning-rate", type=float, default=1.5e-4, help="at first (default: 1.5e-4; for BERT-base 2e-5)"
    )
    parser.add_argument("--max-len", type=int, default=32, help="most tokens of a text (default: 32; for AG News 128)")
    parser.add_argument("--seed", type=int, default=2021, help="of the new weights and the order (default: 2021)")
    parser.add_argument("--output", type=Path, default=None, help="a directory to save the model in")
    return parser


if __name__ == "__main__":
    sys.exit(main())
