"""Fine-tune a pretrained encoder on one processor or on several at once: the training of lesson 08 as a program.

    python -m helpers.fine_tune --steps 500 --output fine-tuned
    accelerate launch --multi_gpu --num_processes 2 -m helpers.fine_tune --steps 500 --output fine-tuned

Several processes share each batch, so the model that comes out is the same, up to rounding. It takes the `accelerate`
package: `pip install accelerate`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers.batches import SimilarLengths
from helpers.data import load_reviews, load_topics
from helpers.layers import pad_batch
from helpers.precision import uses_bfloat16
from helpers.pretrained import load_classifier, load_tokenizer
from helpers.reports.steps import StepReport


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
    model = load_classifier(texts.num_classes, args.model)
    without_dropout(model)
    model.base_model.embeddings.requires_grad_(args.model is not None)  # half of the small encoder, and slow to update
    loader = make_loader(texts.train, tokenizer, args.batch_size, args.max_len, args.seed)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=args.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=args.steps)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    model.train()
    with StepReport(args.steps, quiet=not accelerator.is_main_process) as report:
        for _, (labels, input_ids, attention_mask) in zip(range(args.steps), _endless(loader), strict=False):
            with accelerator.autocast():
                logits = model(input_ids=input_ids, attention_mask=attention_mask).logits
            loss = F.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            report.step(float(accelerator.reduce(loss.detach(), reduction="mean")))
    accelerator.wait_for_everyone()
    if args.output is not None and accelerator.is_main_process:
        accelerator.unwrap_model(model).save_pretrained(args.output)
        tokenizer.save_pretrained(args.output)
        print(f"Saved in {args.output}: load_classifier({texts.num_classes}, {str(args.output)!r}) brings it back.")
    accelerator.end_training()
    return 0


def without_dropout(model: torch.nn.Module) -> None:
    """Switch dropout off for good: each text is seen about once, so nothing can be learned by heart."""
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0


def make_loader(part: Any, tokenizer: Any, batch_size: int, max_len: int, seed: int) -> DataLoader:
    """Make a loader of (labels, input_ids, attention_mask) in which texts of about the same length meet."""
    pairs = list(zip(part["label"][:], part["text"][:], strict=True))
    lengths = [len(text) for _, text in pairs]
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
