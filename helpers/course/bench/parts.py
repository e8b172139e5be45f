"""What the benchmark measures, each in a process of its own: a lesson, ways to train, to ask and to mark, checks."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from helpers.labelled_texts import LabelledTexts

# Runs before a lesson's own cells: counts what pip brings, and how long the lesson waits for that.
_COUNTER = """
import json, time
from pathlib import Path
from helpers import downloads

def _counted(*args, _download=downloads.pip_download, **options):
    begin = time.perf_counter()
    done = _download(*args, **options)
    brought = sum(path.stat().st_size for path in Path(args[2]).rglob("*") if path.is_file())
    with open({log!r}, "a") as file:
        file.write(json.dumps([brought, time.perf_counter() - begin]) + "\\n")
    return done

downloads.pip_download = _counted
"""
_PADDED_TO = 512  # the most that BERT reads, and what tutorials pad to


def main(kind: str, *arguments: str) -> None:
    """Do one part, and print what it found as JSON."""
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "lesson": lesson,
        "train": training,
        "ask": asking,
        "check": checking,
        "mark": marking,
    }
    print(json.dumps(parts[kind](*arguments)))


def lesson(path: str, cache: str) -> dict[str, Any]:
    """Run a solution from top to bottom in a new kernel, as a student would, the network allowed.

    Seconds are from the kernel's start to its last cell, without the waiting for downloads, which is given apart.
    """
    import nbformat
    from nbclient import NotebookClient

    from helpers.course.build.execute import kernel_environment

    notebook = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "downloads")
        log.touch()
        notebook.cells.insert(0, nbformat.v4.new_code_cell(_COUNTER.format(log=str(log))))
        threads = os.environ["OMP_NUM_THREADS"]
        environment = {**os.environ, **kernel_environment(folder), "COURSE_OFFLINE": "0"}
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        if cache:
            environment["COURSE_CACHE"] = cache
        work = Path(folder, "work")
        work.mkdir()
        client = NotebookClient(
            notebook, kernel_name="python3", resources={"metadata": {"path": str(work)}}, timeout=900
        )
        begin = time.perf_counter()
        client.execute(env=environment)
        seconds = time.perf_counter() - begin
        brought = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    waited = sum(wait for _, wait in brought)
    return {"seconds": seconds - waited, "waited": waited, "downloaded": sum(size for size, _ in brought)}


def training(way: str, texts: str, epochs: str) -> dict[str, Any]:
    """Train lesson 7's model, or torch's of the same size, and test it; seconds are those of the training alone.

    Parameters
    ----------
    way
        ``"course"``: as the lesson does it. ``"padded"``: the same model and batches, every text padded to 512 tokens.
        ``"torch"``: the lesson's loop and batches, the blocks from `torch.nn.TransformerEncoder`.
    texts
        How many of the training texts; 0 is all of them.
    """
    import torch

    from helpers.batches import make_loader
    from helpers.data import load_reviews
    from helpers.seeding import set_seed
    from helpers.training import evaluate, train

    reviews = load_reviews("sample", batch_size=64, max_len=64)
    count = int(texts) or len(reviews.train)
    token_ids, labels = reviews.train_token_ids[:count], reviews.train["label"][:count]
    pad_id = reviews.tokenizer.pad_token_id
    loader = make_loader(
        token_ids, labels, num_classes=reviews.num_classes, pad_id=pad_id, batch_size=64, seed=reviews.seed
    )
    if way == "padded":
        collate = loader.collate_fn
        loader.collate_fn = lambda rows: _padded(collate(rows), pad_id)
    set_seed(2021)
    model = _torch_model(reviews) if way == "torch" else _course_model(reviews)
    begin = time.perf_counter()
    train(model, loader, epochs=int(epochs), learning_rate=1e-3, device="cpu")
    seconds = time.perf_counter() - begin
    accuracy = evaluate(model, reviews.test_loader, "cpu").accuracy
    parameters = sum(parameter.numel() for parameter in model.parameters())
    threads = torch.get_num_threads()
    return {
        "seconds": seconds,
        "texts": count * int(epochs),
        "accuracy": accuracy,
        "parameters": parameters,
        "threads": threads,
    }


def asking(way: str, questions: str) -> dict[str, Any]:
    """Ask lesson 9's masked language model; seconds are those of all answers, loading included.

    Parameters
    ----------
    way
        ``"once"``: as the lesson does it, the model loaded for the first question. ``"each"``: loaded for every one.
    questions
        How many.
    """
    import torch
    from transformers import AutoTokenizer, BertForMaskedLM  # noqa: F401  what takes seconds to import is not timed

    from helpers import layers, pretrained

    jobs = ["doctor", "nurse", "engineer", "teacher", "judge", "clerk", "pilot", "farmer", "writer", "boss"]
    if int(questions) < 1:
        raise ValueError(f"questions is {questions}: ask at least one.")
    answers = []
    begin = time.perf_counter()
    for number in range(int(questions)):
        if way == "each":
            pretrained._embedded_masked_model.cache_clear()
            pretrained._tokenizer.cache_clear()
        model, tokenizer = pretrained.load_masked_language_model(), pretrained.load_tokenizer()
        text = f"The {jobs[number % len(jobs)]} said that she/he was tired."
        answers.append(layers.option_probabilities(text, model, tokenizer))
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "answers": answers, "threads": torch.get_num_threads()}


def checking(exercise: str, tests: str) -> dict[str, Any]:
    """Check wrong and right answers to an exercise, as in a new notebook whose first check fails.

    Parameters
    ----------
    exercise
        Its number, such as ``"6a"``.
    tests
        The folder of the repository's tests, which holds the right answers; the wrong ones are the misconceptions.

    Returns
    -------
    dict
        Processor seconds: `first`, of the first check of all, `failing` of each wrong answer, `passing` of each right
        one; of these the median of several.
    """
    import contextlib
    import io
    import statistics

    import torch  # noqa: F401  a notebook has it before its first check; in lessons 8 and 9, the two below as well
    from transformers import AutoTokenizer, BertForMaskedLM  # noqa: F401

    from helpers import checks
    from helpers.course.build.coverage import right_answers

    check = getattr(checks, checks.EXERCISES[exercise].check)

    def seconds_of(answer: Any, seed: int) -> float:
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(checks.CheckFailed):
            check(answer, seed=seed, record=False)
        return time.process_time() - start

    begin = time.perf_counter()
    wrong = checks.exercise_of(exercise).misconceptions
    first = seconds_of(wrong[0].answer, 0)  # the others are compiled within it, as in a notebook
    failing = [statistics.median(seconds_of(each.answer, seed) for seed in range(1, 4)) for each in wrong]
    answers = right_answers(Path(tests), exercise)
    passing = [statistics.median(seconds_of(answer, seed) for seed in range(1, 6)) for answer in answers]
    return {"seconds": time.perf_counter() - begin, "first": first, "failing": failing, "passing": passing}


def marking(*arguments: str) -> dict[str, Any]:
    """Mark a class: see `helpers.course.bench.marking`, whose imports take a second that the other parts spare."""
    from helpers.course.bench.marking import mark_class

    return mark_class(*arguments)


def _padded(batch: Any, pad_id: int) -> Any:
    """The same batch, padded to 512 tokens."""
    from torch.nn import functional as F

    more = _PADDED_TO - batch.token_ids.shape[1]
    return batch._replace(token_ids=F.pad(batch.token_ids, (0, more), value=pad_id), mask=F.pad(batch.mask, (0, more)))


def _course_model(reviews: LabelledTexts) -> nn.Module:
    from helpers.layers import Transformer

    return Transformer(128, 8, 3, _PADDED_TO, reviews.vocab_size, reviews.num_classes, dropout=0.0)


def _torch_model(reviews: LabelledTexts) -> nn.Module:
    """Lesson 7's model with torch's own blocks in it."""
    from torch import nn

    course = _course_model(reviews)

    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(128, 8, dim_feedforward=256, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, num_layers=3, enable_nested_tensor=False)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.encoder(x, src_key_padding_mask=~mask[:, 0, 0])  # torch's True is "not to be attended to"

    course.blocks = nn.ModuleList([Blocks()])
    return course


if __name__ == "__main__":
    main(*sys.argv[1:])
