"""How many times as fast the batches are: `python tests/bench_crows_pairs.py [pairs] [threads]`, on the course's model.

Pairs are drawn from CrowS-Pairs where its file is there (see test_crows_pairs.py), else from the course's own.
"""

from __future__ import annotations

import random
import sys
import time

import torch
from crows_pairs_by_the_paper import score_pair
from test_crows_pairs import published_file

from helpers.crows_pairs import crows_pairs_score
from helpers.pretrained import load_masked_language_model, load_tokenizer
from helpers.texts.bias_pairs import load_pairs, read_pairs


def main(count: int = 30, threads: int = 1) -> None:
    torch.set_num_threads(threads)
    path = published_file()
    pairs = random.Random(2021).sample(read_pairs(path) if path else load_pairs("sample"), count)
    model, tokenizer = load_masked_language_model(), load_tokenizer()
    crows_pairs_score(pairs[:2], model, tokenizer)  # so that nothing is measured that happens once
    wall, processor = [], []
    results = []
    for score in (
        lambda: torch.tensor([score_pair(pair.more, pair.less, model, tokenizer) for pair in pairs]),
        lambda: crows_pairs_score(pairs, model, tokenizer),
    ):
        started = time.perf_counter(), time.process_time()
        results.append(score())
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    print(f"{count} pairs, {threads} threads, from {path.name if path else 'the course'}")
    print(f"one at a time: {wall[0]:.1f} s, {processor[0]:.1f} s of processor")
    print(f"in batches:    {wall[1]:.1f} s, {processor[1]:.1f} s of processor")
    print(f"times as fast: {wall[0] / wall[1]:.1f}; by processor time {processor[0] / processor[1]:.1f}")
    print(f"largest difference: {(results[0] - results[1]).abs().max():.1e}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
