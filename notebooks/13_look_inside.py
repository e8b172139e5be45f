# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-nbgrader,-cellView,-jupyter,-papermill,-deletable,-editable,-slideshow,-jp-MarkdownHeadingCollapsed,-heading_collapsed,-hidden,-hide_input,-init_cell,-run_control,-vscode,-notebookRunGroups,-pycharm,-colab,-colab_type,-executionInfo,-id,-outputId
#     formats: ipynb,py:percent
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version,-kernel_info,-kernelspec
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
# ---

# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/13_look_inside.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/13_look_inside.ipynb)
#
# # 13. Look inside
#
# **After this lesson you can**
# - take the logit of a model's next word apart, into what each of its parts added to it;
# - find heads with a job by a number instead of by eye, and write that number for the most famous job of all;
# - train a model small enough to understand whole, and watch such a head being born;
# - switch heads off, or swap what they say, to tell cause from company;
# - say what a picture of attention does not prove.
#
# **Time:** 110 minutes; the core path (sections 1 to 6, and 8) takes 98.
# **Before:** [lesson 6](06_decoding_and_generation.ipynb). [Lesson 12](12_a_modern_decoder.ipynb) builds the model that we open here; you can follow without it.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from helpers import checks, media, plots
from helpers.demos import inside
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import SelfAttention, causal_mask
from helpers.pretrained import load_storyteller
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # both settings do the same: the model ships with the course
STEPS = 400  # how many batches each of the two small models learns from

# %% [markdown]
# ## 1. One sum, to which all add (15 minutes)
#
# The **storyteller** is a small language model of today's kind: 8 blocks of 8 heads each, trained by this course on old story books. (Lesson 12 builds it.) Give it the beginning of a
# story, and it says how likely each of its 4,096 tokens is to come next.

# %%
storyteller, tokenizer = load_storyteller()
storyteller = storyteller.to(DEVICE)
storyteller.set_attn_implementation("eager")  # computes attention the plain way, and hands its weights out


def encode(text: str) -> torch.Tensor:
    """Ids (1, t), with the sign that begins every story in front."""
    return torch.tensor([[tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]])


ids = encode("Once upon a")
with torch.no_grad():
    logits = storyteller(ids.to(DEVICE)).logits[0, -1].cpu()  # (v,): of the word after the last

best = logits.softmax(dim=-1).topk(6)
plots.bars(
    inside.names(best.indices.tolist(), tokenizer),
    best.values,
    title="After “Once upon a” it expects …",
    xlabel="probability",
    xlim=(0, 1.1),
)

# %% [markdown]
# How does it come to that? Every block has the same form: *add* something to what is there. Attention adds, then the MLP adds. Nothing is ever overwritten, though what is added may be negative. So a word's vector runs through the model like a
# stream, and each part pours something in. This sum is called the **residual stream**.
#
# To see it, we hang a **hook** on each place: a function that torch calls whenever something enters there. Lesson 6 looked at keys that way.


# %%
@torch.no_grad()
def stream(ids: torch.Tensor) -> torch.Tensor:
    """The sum at each word: as it enters each attention, each MLP, and the last norm, (2 * blocks + 1, t, k)."""
    blocks = storyteller.model.layers
    places = [place for block in blocks for place in (block, block.post_attention_layernorm)]
    seen = []
    hooks = [
        place.register_forward_pre_hook(lambda place, inputs: seen.append(inputs[0][0].cpu()))
        for place in (*places, storyteller.model.norm)
    ]
    storyteller(ids.to(DEVICE))
    for hook in hooks:
        hook.remove()
    return torch.stack(seen)


sums = stream(ids)
sums.shape

# %% [markdown]
# 17 sums: one before the first part, and one after each of 8 attentions and 8 MLPs. What a part added is the difference of two neighbours.
#
# A logit is a dot product of the last sum with one vector: so it is *a sum of dot products*, one for each part. One thing stands between: the last norm divides the whole sum by its size. We know this size once the
# sum is finished, and divide every part by the same number. That is honest as bookkeeping: the shares add up exactly.
#
# Softmax does not care if all logits rise together. So we count how far a part lifts *one* logit above the mean of all.

# %%
norm = storyteller.model.norm  # after dividing, it multiplies by weights of its own
readers = (storyteller.lm_head.weight * norm.weight).detach().cpu()  # (v, k): what each token's logit looks for
target = tokenizer(" time")["input_ids"][0]

added = torch.cat([sums[:1], sums.diff(dim=0)])[:, -1]  # (17, k): by the embedding, attention 0, MLP 0, ...
size = (sums[-1, -1].square().mean() + norm.variance_epsilon).sqrt()
shares = added @ (readers[target] - readers.mean(dim=0)) / size  # (17,)

above = logits[target] - logits.mean()
print("the shares add up to the logit:", torch.allclose(shares.sum(), above, atol=1e-3))

# %% [markdown]
# **Predict first:** which part lifts ` time` most: the embedding of the last word, an early block, a late one? And does any part push against it?

# %%
parts = [f"{part} {block}" for block in range(8) for part in ("attention", "MLP")]
plots.bars(
    ["embedding", *parts],
    shares,
    title="What each part adds to the logit of “time”",
    xlabel="logit above the mean of all tokens",
    colour=[plots.BLACK, *[plots.BLUE, plots.VERMILION] * 8],
)

# %% [markdown]
# MLP 7, the last part of all, lifts it most, and the other MLPs do most of the rest. Attention 6 and 7 push against it, a little. (Blue: attention. Orange: MLPs.)
#
# **Think! 13.1.** A bar of 2 stands beside *MLP 0*. If you took MLP 0 out, would the logit fall by 2?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# Not in general. Its bar is what it wrote *itself*. But all later parts read the stream, too: they would find something else there, and write something else. The size of the
# whole sum, by which the last norm divides, would change as well. The bars share out what has happened; they do not say what would have happened. For that you have to take the part out, as section 6 does with heads. (Without MLP 0 this logit falls by 16, since hardly any later part finds what it expects.)
#
# </details>

# %% tags=["form"]
feedback_box("13, section 1")

# %% [markdown]
# ## 2. What would it say so far? (10 minutes)
#
# The sum is there after each block, not only at the end. And we own the machine that turns sums into words: the last norm and the last matrix. So ask it early. What would the model say if it
# stopped after block 0, after block 1, …? This is called the **logit lens** (nostalgebraist 2020).


# %%
def lens(ids: torch.Tensor) -> torch.Tensor:
    """Logits at each word, before the first block and after each: (1, t) gives (blocks + 1, t, v)."""
    after_blocks = stream(ids)[::2].to(DEVICE)  # (9, t, k): we skip the sums in the middle of a block
    with torch.no_grad():
        return storyteller.lm_head(storyteller.model.norm(after_blocks)).cpu()


ids = encode("Once upon a time there was a king who had")
best = lens(ids).softmax(dim=-1).max(dim=-1)
best.values.shape

# %% [markdown]
# Each column below is a word that it has just read, each cell the likeliest next word at that point. A frame means that it is the word that does come next. (⊢ is the sign that begins every story; two signs such as `B8` are a byte that is no whole character, as in lesson 11.)
#
# **Predict first:** the last matrix is also the embedding, used the other way round. So which word will the top row name, before any block has done anything? And do the frames begin high up or low down?

# %%
inside.draw_lens(
    inside.names(ids[0].tolist(), tokenizer),
    [inside.names(row, tokenizer) for row in best.indices.tolist()],
    best.values,
)

# %% [markdown]
# Read a column from top to bottom, as a thought that takes shape.

# %% [markdown] tags=["answer"]
# <details><summary>What to see</summary>
#
# The top row mostly repeats the word itself: its embedding is more like itself than like any other. (Not always: for some words a rare token such as `B8` comes out first.) Then come words that often follow, whatever
# went before: “upon a” and “was a” are right from block 0 on. Words that fit *this* line appear in the lower rows, and now and then a later block gives up a right guess. But be careful with the middle. The last norm and matrix were trained to read the *last* sum. An earlier sum may hold the right word in a form that they cannot read yet. A lens
# that is trained for each block sees more (Belrose et al. 2023).
#
# </details>

# %% tags=["form"]
feedback_box("13, section 2")

# %% [markdown]
# ## 3. Heads with a job (13 minutes)
#
# 64 heads attend, each in its own way. You could look at 64 pictures and name what you see. But eyes find patterns everywhere. So first say what a job *is*, as a number; then let the number find
# the head.
#
# Test it on words that make no sense, so that no meaning helps: random words, each line said twice.


# %%
@torch.no_grad()
def attention(ids: torch.Tensor) -> torch.Tensor:
    """Every attention weight: (b, t) gives (blocks, b, h, t, t)."""
    storyteller.set_attn_implementation("eager")  # the other ways keep their weights to themselves
    return torch.stack(storyteller(ids.to(DEVICE), output_attentions=True).attentions).cpu()


vocabulary = sorted(tokenizer.get_vocab().items())
WORDS = torch.tensor([number for piece, number in vocabulary if re.fullmatch("Ġ[a-z]{3,}", piece)])  # they begin a word


def random_lines(count: int, period: int, seed: int) -> torch.Tensor:
    """Lines of different words, each line said twice, (count, 1 + 2 * period); the sign for a beginning in front."""
    generator = torch.Generator().manual_seed(seed)
    line = WORDS[torch.rand(count, len(WORDS), generator=generator).argsort(dim=1)[:, :period]]
    return torch.cat([torch.full((count, 1), tokenizer.bos_token_id), line, line], dim=1)


PERIOD = 20
lines = random_lines(16, PERIOD, seed=13)
print(tokenizer.decode(lines[0, 1:]))

# %% [markdown]
# Three jobs:
#
# - **previous word**: the weight from each word to the one before it;
# - **first place**: the weight to the very first place, where the sign for a beginning stands;
# - **same word**: the weight from each word of the second time to *itself*, the first time.
#
# Each is the mean of some places in the (t, t) weights: a line beside the diagonal, a column, and a line `PERIOD` places below the diagonal.
#
# **Predict first:** in which of the three maps will most heads be bright?

# %%
weights = attention(lines).mean(dim=1)  # (blocks, h, t, t): the mean over the lines
words_only = weights[..., 1:, 1:]  # without the sign for a beginning

jobs = {
    "previous word": words_only.diagonal(-1, dim1=-2, dim2=-1).mean(dim=-1),  # (blocks, h)
    "first place": weights[..., 1:, 0].mean(dim=-1),
    "same word": words_only.diagonal(-PERIOD, dim1=-2, dim2=-1).mean(dim=-1),
}
figure, axes = plots.panels(1, 3, width=13.5, height=4.4)
for axis, (job, scores) in zip(axes[0], jobs.items(), strict=True):
    plots.heatmap(scores, title=f"Job: {job}", xlabel="head", ylabel="block", ax=axis, annotate=True, vmin=0, vmax=1)
figure

# %%
for job, scores in jobs.items():
    block, head = divmod(int(scores.argmax()), 8)
    print(f"{job:>13}: most of all head {head} of block {block}, with {scores.max():.2f}")

# %% [markdown] tags=["answer"]
# <details><summary>What to see</summary>
#
# In the left map a few cells stand out, most of them in blocks 2 to 4: looking one word back is a job that several heads share. The bright cells of the middle map belong to heads that have found nothing: softmax must put its weight
# somewhere, and they park it on the first place, as lesson 3's heads did on `[SEP]`. (In many large models, most heads are like this.) The right map is dark: this job, nobody has. A number tells them apart, and it would do so for a thousand heads as well as for 64.
#
# </details>

# %% [markdown]
# Look for yourself: type a line, and go from block to block and from head to head. Blocks and heads are counted from 0, as in the maps above.
#
# **Predict first:** type a line in which a name comes twice. At the second, where does head 7 of block 3 look: back to the first, or somewhere else?

# %%
inside.inside_demo(tokenizer, lens, attention, "The king had a daughter, and the king had a")

# %% [markdown]
# One word back, as it does from everywhere: that is its job. If you find a head that looks from the second name to the first, try once more with another name in the second place. Does it still look there? Then its job is another one, such as looking for names, or for what stood after
# the same word.

# %% tags=["form"]
feedback_box("13, section 3")

# %% [markdown]
# ## 4. Does it know, the second time? (15 minutes)
#
# Nobody can guess the next random word. The first time, that is. The second time you could: find the word in the line, and say what came after it.
#
# **Predict first:** can the storyteller? It has never seen such lines, only stories.

# %%
with torch.no_grad():
    logits = storyteller(lines[:, :-1].to(DEVICE)).logits.cpu()
losses = F.cross_entropy(logits.transpose(1, 2), lines[:, 1:], reduction="none").mean(dim=0)  # (2 * PERIOD,)

figure = plots.curves(
    range(1, PERIOD + 1),
    {"first time": losses[:PERIOD], "second time": losses[PERIOD:]},
    title="How well it predicts the words of a random line",
    xlabel="place in the line",
    ylabel="loss",
)
figure.axes[0].set_ylim(bottom=0)
figure

# %% [markdown]
# It cannot: the two curves lie on each other. (At place 1 the second one is higher still: nothing says that the line begins again.) Both even lie above $\ln 4096 = 8.3$, the loss of somebody who guesses blindly, since the storyteller expects words that make sense. Larger models can (Olsson et al. 2022): their second curve lies far lower. They have
# learned something *while reading*, with no weight changed.
#
# What would a head have to do for that? At a word of the second time, the useful place is the word *after* its first appearance: that is what comes next. A head that looks there is called an **induction head** (Olsson et al. 2022).

# %%
line = ["sea", "old", "cup", "sea", "old", "cup"]
for place in (3, 4, 5):
    print(f"place {place} ({line[place]}) should look at place {place - 2} ({line[place - 2]})")

# %% [markdown]
# ### Exercise 13a: the score of an induction head
#
# `induction_scores(weights, period)` gets the attention (h, t, t) of all heads of a block, on a line of `period` words said twice: t is `2 * period`. It returns a score for each head, (h,): the mean
# weight from each word of the second time to the word after its first appearance. That is a mean of `period` weights. The last word counts, too: after its first appearance comes place `period`.
#
# Fill in three blanks (`...`).
#
# <details><summary>Hint 1</summary>
#
# In the line above, `period` is 3. The words of the second time stand at 3, 4, 5. Where did each stand the first time? And what is one further on?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two tensors of whole numbers, side by side, pick one weight for each pair: `weights[:, queries, keys]` is (h, period). Of that, the mean over the last axis.
#
# </details>


# %% tags=["exercise"]
# Exercise 13a: the score of an induction head
def induction_scores(weights: torch.Tensor, period: int) -> torch.Tensor:
    """Attention (h, t, t) on a line said twice gives (h,): how much the second time looks at what came next."""
    queries = ...  # (period,): the places of the second time
    keys = ...  # (period,): for each, the place after the word's first appearance
    return ...  # (h,)


# %% tags=["check"]
checks.induction_scores(induction_scores)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import induction_scores

# %% [markdown]
# Your score, for all 64 heads. If a head spread its weight evenly, it would be about 0.03.
#
# **Predict first:** after what the two curves said, how high will the highest score be?

# %% tags=["expected-output"]
induction = torch.stack([induction_scores(block, PERIOD) for block in words_only])  # (blocks, h)
plots.heatmap(
    induction,
    title="Bright: looks at what came next the last time",
    xlabel="head",
    ylabel="block",
    annotate=True,
    vmin=0,
    vmax=1,
)

# %% tags=["form"]
media.what_you_should_see("13_look_inside_1")

# %% [markdown] tags=["answer"]
# <details><summary>What to see</summary>
#
# All dark: the highest score is 0.06. The storyteller has no such head, which is why its curves lie on each other. Small models that have read few texts do without. Where there is such a head, it does not stand in block 0. That is no
# accident, as the next section shows: one layer alone cannot do this job.
#
# </details>

# %% tags=["form"]
feedback_box("13, section 4")

# %% [markdown]
# ## 5. Watch one being born (20 minutes)
#
# The storyteller is too large to be understood whole. So take away everything that can go: no MLP, no norm. What remains is embeddings, positions, and your layers from lessons 3 and 6.


# %%
class AttentionOnly(nn.Module):
    """Attention layers that add to one sum, and nothing else: no MLP, no norm (as in Elhage et al. 2021)."""

    def __init__(self, vocab_size: int, embed_dim: int, num_heads: int, depth: int, max_len: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, embed_dim)
        self.places = nn.Embedding(max_len, embed_dim)
        self.layers = nn.ModuleList(SelfAttention(embed_dim, num_heads, dropout=0.0) for _ in range(depth))
        self.to_logits = nn.Linear(embed_dim, vocab_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids (b, t) give logits (b, t, v): at each place, those of the next word."""
        t = ids.shape[1]
        x = self.words(ids) + self.places.weight[:t]  # (b, t, k)
        allowed = causal_mask(t).to(ids.device)
        for layer in self.layers:
            x = x + layer(x, allowed)
        return self.to_logits(x)


# %% [markdown]
# It learns from nothing but random lines: 6 to 16 different words out of 32, said again until there are 32. The length differs from line to line, and that matters (Think! 13.3). Only from the second time on
# can anybody know what comes next, so only that counts in the loss.


# %%
def said_again(
    count: int, generator: torch.Generator, shortest: int = 6, longest: int = 16
) -> tuple[torch.Tensor, ...]:
    """Random lines (count, 2 * longest), and how long each is before it begins again, (count, 1)."""
    line = torch.rand(count, 32, generator=generator).argsort(dim=1)
    periods = torch.randint(shortest, longest + 1, (count, 1), generator=generator)
    return line.gather(1, torch.arange(2 * longest) % periods).to(DEVICE), periods.to(DEVICE)


def second_time_loss(model: nn.Module, ids: torch.Tensor, periods: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of all words after the first of the second time."""
    losses = F.cross_entropy(model(ids[:, :-1]).transpose(1, 2), ids[:, 1:], reduction="none")  # (b, t - 1)
    counts = torch.arange(ids.shape[1] - 1, device=ids.device) >= periods  # (b, t - 1)
    return losses[counts].mean()


print(said_again(2, torch.Generator().manual_seed(1))[0].cpu())
test_lines, test_periods = said_again(128, torch.Generator().manual_seed(5), 12, 12)  # 24 places: the line, twice

# %% [markdown]
# Every ten batches we stop and look: the loss on lines that it has never seen, and your score for each head, on lines of 12 words.


# %%
@torch.no_grad()
def look_at(model: nn.Module) -> tuple[float, torch.Tensor]:
    """Loss on the second time, and the induction score of each head, (layers, h)."""
    loss = second_time_loss(model, test_lines, test_periods).item()
    model(test_lines)
    means = [layer.attention.weights.mean(dim=0).cpu() for layer in model.layers]  # (h, t, t) each
    return loss, torch.stack([induction_scores(weights, 12) for weights in means])


def train_small(model: nn.Module, steps: int) -> list[tuple[float, torch.Tensor]]:
    """Learn from 64 new lines at each step; what `look_at` sees after every tenth."""
    generator = torch.Generator().manual_seed(2021)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3)
    seen = [look_at(model)]
    bar = tqdm(range(1, steps + 1), desc=["no layer", "one layer", "two layers"][len(model.layers)])
    for step in bar:
        loss = second_time_loss(model, *said_again(64, generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            seen.append(look_at(model))
            bar.set_postfix_str(f"loss {seen[-1][0]:.2f}", refresh=False)
    return seen


# %% [markdown]
# Two models: one with two layers, one with a single layer. Watch the loss.
#
# **Predict first:** which of them will learn it? Will the loss fall steadily?

# %%
models, histories = {}, {}
for depth in (2, 1):
    torch.manual_seed(2021)
    models[depth] = AttentionOnly(32, embed_dim=64, num_heads=4, depth=depth, max_len=32).to(DEVICE)
    histories[depth] = train_small(models[depth], STEPS)

# %%
names = {2: "two layers", 1: "one layer"}
steps = range(0, 10 * len(histories[2]), 10)
figure, axes = plots.panels(1, 2, width=12, height=3.8)
plots.curves(
    steps,
    {names[depth]: [loss for loss, _ in history] for depth, history in histories.items()},
    title="First slowly, then the loss drops …",
    xlabel="batches",
    ylabel="loss on the second time",
    ax=axes[0, 0],
)
plots.curves(
    steps,
    {names[depth]: [scores[-1].max() for _, scores in history] for depth, history in histories.items()},
    title="… while a head is being born",
    xlabel="batches",
    ylabel="best induction score in the last layer",
    ax=axes[0, 1],
)
figure

# %%
for depth, history in histories.items():
    loss, scores = history[-1]
    print(f"{names[depth]:>10}: loss below 0.1: {loss < 0.1}; a head that scores above 0.8: {bool(scores.max() > 0.8)}")
print(f"heads of the second layer that score above 0.8: {int((histories[2][-1][1][1] > 0.8).sum())} of 4")

# %% [markdown]
# Both curves of the two-layer model bend in the same few dozen batches. The one-layer model learns something, too, and its loss halves: it finds out *which* words are in the line, and roughly when each comes round. It never finds out
# which one is next.
#
# ### How two layers do it
#
# Now open the model. On one line of 8 words, said twice, here is the best previous-word head of layer 0, and the best induction head of layer 1.

# %%
model = models[2]
line, _ = said_again(1, torch.Generator().manual_seed(3), 8, 8)  # 16 places
with torch.no_grad():
    model(line)
first, second = (layer.attention.weights[0].cpu() for layer in model.layers)  # (h, t, t) each
helper = int(first.diagonal(-1, dim1=1, dim2=2).mean(dim=-1).argmax())
finder = int(induction_scores(second, 8).argmax())

figure, axes = plots.panels(1, 2, width=11, height=4.8)
for axis, weights, layer, head, does in (
    (axes[0, 0], first[helper], 0, helper, "who stands before me?"),
    (axes[0, 1], second[finder], 1, finder, "who followed me last time?"),
):
    labels = [str(number) for number in line[0].tolist()]
    plots.heatmap(weights, labels, labels, title=f"Layer {layer}, head {head}: {does}", xlabel="looks at", ylabel="word",
                  ax=axis, vmin=0, vmax=1, colour_label="weight")  # fmt: skip
figure

# %% [markdown]
# On the left, look along the line just below the diagonal: each word takes note of the one *before* it. On the right, in the lower half, each word looks at the place after its own first appearance.
#
# **Think! 13.2.** A query meets keys. What does the key at the right place have to say, so that the query finds it? Who put it there? And why can one layer not do it?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# Say the line is … *sea old* … *sea*. The last word's query says: I look for somebody who stands after *sea*. The key of *old* must answer: I stand after *sea*. But *old* alone does not know that. In
# layer 0, the previous-word head tells it: it copies *sea* into the stream at *old*'s place. In layer 1, the key is computed from this stream, and query and key match. What is copied then is *old* itself: the prediction.
# With one layer, keys are computed from the word and its place alone. The key of *old* knows nothing of *sea*, so no query can find it that way. Heads of two layers that work together are called a **circuit**.
#
# </details>

# %% [markdown]
# **Think! 13.3.** Say that every line had 12 words. The one-layer model would then learn it perfectly. How?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# By place alone. The right word then always stands 11 places back, whatever it is. Query and key know their own places, so one head of one layer can learn "look 11 back". That would have the score of an
# induction head, on lines of 12 words, and it would fail on all others. A score is only as good as the lines on which it is measured.
#
# </details>

# %% tags=["form"]
feedback_box("13, section 5")

# %% [markdown]
# ## 6. Is it the cause? (20 minutes)
#
# A head looks at the right place, and the right word comes out. Do the two only go together, or is the head the cause? Take it away, and see.
#
# All heads of a layer meet in one matrix: `unify_heads` in lesson 3, `o_proj` in Llama. What enters there is what the heads have found, side by side: `d` numbers from head 0, then `d` from head 1, and so on. Set a
# head's numbers to zero, and it is as if it had said nothing.


# %%
def where_heads_meet(model: nn.Module) -> list[tuple[Any, int]]:
    """For each layer, from the first on: the matrix in which its heads meet, and how many numbers each head brings."""
    found: list[tuple[Any, int]] = []
    part: Any
    for part in model.modules():
        for name in ("unify_heads", "o_proj"):  # this course's name, and that of transformers' Llama
            if hasattr(part, name):
                found.append((getattr(part, name), part.head_dim))
    return found


# %%
for name, some_model in (("small model", model), ("storyteller", storyteller)):
    matrix, head_dim = where_heads_meet(some_model)[0]
    print(
        f"{name}: {len(where_heads_meet(some_model))} layers, {matrix.in_features // head_dim} heads of {head_dim} numbers"
    )

# %% [markdown]
# ### Exercise 13b: without these heads
#
# `without_heads(model, heads)` is for use as in
#
# `with without_heads(model, [(0, 2), (1, 3)]): ...`
#
# While it is open, the output of these heads, each a pair (layer, head) counted from 0, is zero. Afterwards the model is what it was: also after an error in the middle. (`stream` in section 1 was careless: had the model
# stopped, its hooks would hang there to this day.) No weight is touched.
#
# A function with one `yield` and `@contextmanager` above it is a **context manager**, which `with` can open: what stands before `yield` runs at the beginning, what stands after it at the end. If something goes wrong inside the
# `with`, the error comes out of `yield`. Fill in two blanks (`...`), and then see to it that all hooks come off again, whatever happens at the `yield`.
#
# <details><summary>Hint 1</summary>
#
# A pre-hook gets `inputs`, a tuple, and what it returns enters instead. Head 2 brings the numbers from `2 * width` up to `3 * width`, on the last axis. Change a copy (`clone`).
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `matrix.register_forward_pre_hook(...)` returns a handle, and its `remove()` takes the hook off. Keep all handles. `try: … finally: …` runs its last part in any case.
#
# </details>


# %% tags=["exercise"]
# Exercise 13b: without these heads
@contextmanager
def without_heads(model: nn.Module, heads: Collection[tuple[int, int]]) -> Iterator[None]:
    """While it is open, the output of each (layer, head) is zero; afterwards the model is what it was."""
    layers = where_heads_meet(model)  # for each layer: a matrix, and the width of a head

    def silence(head: int, width: int) -> Any:
        """Make a hook that sets this head's part of what enters a matrix to zero."""

        def hook(matrix: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Any:
            x = inputs[0]  # (b, t, h * width): what all heads of the layer have found
            return ...  # the same, with this head's numbers set to zero

        return hook

    hooks = []
    hooks.append(...)  # for each head: hang up a hook, and keep its handle
    yield  # here runs the block of the `with`; take all hooks off again, whatever happens in it


# %% tags=["check"]
checks.without_heads(without_heads)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import without_heads

# %% [markdown]
# First the small model. All four heads of layer 1 have a high score.
#
# **Predict first:** what does the absence of one of them cost? And that of all four?

# %% tags=["expected-output"]
experiments = {"all heads there": []}
experiments |= {f"without head {head} of layer {layer}": [(layer, head)] for layer in (0, 1) for head in range(4)}
experiments |= {f"without heads 0 to {last} of layer 1": [(1, head) for head in range(last + 1)] for last in (1, 2, 3)}
experiments["without all of layer 0"] = [(0, head) for head in range(4)]

costs = {}
for name, heads in experiments.items():
    with without_heads(model, heads):
        costs[name], _ = look_at(model)
plots.bars(
    list(costs),
    list(costs.values()),
    title="One head alone is hardly missed",
    xlabel="loss on the second time",
    colour=[plots.BLACK, *[plots.SKY] * 4, *[plots.BLUE] * 4, *[plots.VERMILION] * 4],
)

# %% tags=["form"]
media.what_you_should_see("13_look_inside_2")

# %%
alone = max(costs[f"without head {head} of layer 1"] for head in range(4))
print("without any one of layer 1, the loss stays below 0.2:", alone < 0.2)
print("without all four, it is above 2:", costs["without heads 0 to 3 of layer 1"] > 2)

# %% [markdown]
# (Blue: one head of layer 0 in light blue, of layer 1 in dark blue. Orange: several at once.) One of layer 1 is hardly missed: the other three do the same. Without all four, what the model knew is gone. So "its absence costs nothing" does *not* mean "it does nothing". It may mean that there is a spare.
#
# Now the storyteller: 64 heads, each taken out alone, and the random lines of section 4. None of its heads had a high score there.
#
# **Predict first:** so will none be missed?


# %%
@torch.no_grad()
def storyteller_loss() -> float:
    """Loss on the second time of eight random lines."""
    logits = storyteller(lines[:8, :-1].to(DEVICE)).logits[:, PERIOD + 1 :]  # from the second time's first word on
    return F.cross_entropy(logits.transpose(1, 2), lines[:8, PERIOD + 2 :].to(DEVICE)).item()


with_all = storyteller_loss()
cost = torch.zeros(8, 8)
for block in tqdm(range(8), unit="block"):
    for head in range(8):
        with without_heads(storyteller, [(block, head)]):
            cost[block, head] = storyteller_loss() - with_all

# %%
most = cost.abs().max()
plots.heatmap(cost, title="Loss that each head's absence adds", xlabel="head", ylabel="block", annotate=True,
              vmin=-most, vmax=most)  # fmt: skip

# %%
print("the hooks are gone:", abs(storyteller_loss() - with_all) < 1e-6)

# %% [markdown]
# Some are missed, most of all heads 1 and 3 of block 0. And without head 0 of block 0, it even does *better*: such lines are not what it was made for. Section 8 draws these numbers beside the scores.
#
# **Think! 13.4.** Zero is a number like any other, and perhaps one that the layers above never meet. What could you put in place of a head's output, so as not to confuse them?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# The mean of what this head says on many lines: then it says nothing about *this* line, but sounds as usual. Or what it says on another line, drawn at random. The next section does something like
# that, with a line chosen so that the difference tells us something. These three can give different answers, so a careful paper says which one it used.
#
# </details>

# %% tags=["form"]
feedback_box("13, section 6")

# %% [markdown]
# ## 7. Carry one thought across (12 minutes, optional)
#
# Taking away shows what is needed. Now the other way round: what is *enough*? Two lines that differ in one word:
#
# - **clean**: twelve words, and again up to the fifth. The model knows the sixth.
# - **spoiled**: the same, but the first time, another word stands in the fifth place. So the last word has not occurred before, and nothing says what follows.
#
# Then carry the output of *one* head from the clean line into the spoiled one, everywhere in the line, and see how much of the answer comes back. This is called **activation patching**.


# %%
@torch.no_grad()
def head_outputs(model: nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    """What all heads of each layer have found, (b, t, h * d) each."""
    seen: list[torch.Tensor] = []
    hooks = [
        matrix.register_forward_pre_hook(lambda matrix, inputs: seen.append(inputs[0]))
        for matrix, _ in where_heads_meet(model)
    ]
    try:
        model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


# %% [markdown]
# The first function listens to all heads, the second one lets a single head say what it said on the other line.


# %%
@contextmanager
def with_head_from(model: nn.Module, outputs: list[torch.Tensor], layer: int, head: int) -> Iterator[None]:
    """While it is open, one head says what it said then."""
    matrix, width = where_heads_meet(model)[layer]
    part = slice(head * width, (head + 1) * width)

    def hook(matrix, inputs):
        x = inputs[0].clone()
        x[..., part] = outputs[layer][..., part]
        return (x,)

    handle = matrix.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


# %% [markdown]
# How far does the right word's logit stand above the mean of all? Call it 1 on the clean line and 0 on the spoiled one. **Predict first:** in the small model, four heads of layer 1 find the place. What share does
# each bring back? And what do the previous-word heads of layer 0 bring back?


# %%
def share_that_comes_back(model: nn.Module, clean: torch.Tensor, spoiled: torch.Tensor, answer: torch.Tensor):
    """For each head, (layers, h): 0 is the spoiled line's answer, 1 the clean line's. And these two logits."""

    @torch.no_grad()
    def strength(ids):
        logits = model(ids)
        logits = getattr(logits, "logits", logits)[:, -1]  # (b, v); transformers wraps its logits
        return (logits.gather(1, answer) - logits.mean(dim=1, keepdim=True)).mean().item()

    outputs = head_outputs(model, clean)
    low, high = strength(spoiled), strength(clean)
    shares = []
    for layer, (matrix, width) in enumerate(tqdm(where_heads_meet(model), unit="layer")):
        for head in range(matrix.in_features // width):
            with with_head_from(model, outputs, layer, head):
                shares.append((strength(spoiled) - low) / (high - low))
    return torch.tensor(shares).view(layer + 1, -1), (low, high)


def clean_and_spoiled(lines: torch.Tensor, start: int, period: int, others: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Lines up to the fifth word of the second time, the same with another fifth word at first, and the sixth."""
    clean = lines[:, : start + period + 5]
    spoiled = clean.clone()
    spoiled[:, start + 4] = others
    return clean.to(DEVICE), spoiled.to(DEVICE), lines[:, start + 5 : start + 6].to(DEVICE)


# %%
never_said = torch.tensor([next(w for w in range(32) if w not in line) for line in test_lines.tolist()])
small, small_ends = share_that_comes_back(model, *clean_and_spoiled(test_lines, 0, 12, never_said.to(DEVICE)))

other_words = random_lines(16, 1, seed=99)[:, 1]
large, large_ends = share_that_comes_back(storyteller, *clean_and_spoiled(lines, 1, PERIOD, other_words))

# %%
figure, axes = plots.panels(1, 2, width=11, height=4.6)
around = {"xlabel": "head", "annotate": True, "vmin": -0.5, "vmax": 0.5}
plots.heatmap(small, title="Small model: what comes back", ylabel="layer", ax=axes[0, 0], **around)
plots.heatmap(large, title="Storyteller: what comes back", ylabel="block", ax=axes[0, 1], **around)
figure

# %%
for name, (low, high) in (("small model", small_ends), ("storyteller", large_ends)):
    print(f"{name}: clean and spoiled lines differ by more than 1: {high - low > 1}")
print(f"layer 1 of the small model, all four together: {small[1].sum():.1f}")

# %% [markdown]
# In the small model, the shares of layer 1 add up to about 1: each head pours its part into one sum, and the logit is read off this sum. In layer 0, the previous-word heads bring something back as well: with their note in place,
# layer 1 finds the word again, in part. So the same answer comes back along both halves of the circuit, and shares of *different* layers do not add up to 1.
#
# For the storyteller, look at the line printed above first: its clean and spoiled lines hardly differ. There is little to bring back, and shares of little mean little, however large they look.

# %% tags=["form"]
feedback_box("13, section 7")

# %% [markdown]
# ## 8. What such pictures do not prove (5 minutes)
#
# You now have two numbers for each head of the storyteller: how much it *looks like* an induction head, and what its absence *costs*.
#
# **Predict first:** if attention were the explanation, where would the points lie?

# %%
figure, axes = plots.panels(width=6.4, height=4.2)
ax = axes[0, 0]
ax.scatter(induction.flatten(), cost.flatten(), color=plots.BLUE, label="the storyteller's 64 heads")
small_scores = histories[2][-1][1].flatten()
small_costs = [costs[name] - costs["all heads there"] for name in list(costs)[1:9]]
ax.scatter(small_scores, small_costs, color=plots.VERMILION, marker="^", label="the small model's 8 heads")
ax.axhline(0, color=plots.BLACK, linewidth=0.8)
ax.set(title="Looking like it is not being needed for it", xlabel="induction score", ylabel="cost of its absence")
ax.legend()
figure

# %% [markdown]
# On one rising line, and they do not. The triangles at the lower right look the part and are not missed: each has a spare. Two at the left are missed and do not look it: previous-word heads, the other half of the circuit. (The storyteller's points say little: it cannot do induction.)
#
# So keep apart:
#
# - **A weight says where a head looked**, not what it took, nor whether anybody used it. Others can give the same prediction (Jain & Wallace 2019).
# - **That does not make weights worthless**: it depends on what you want explained (Wiegreffe & Pinter 2019).
# - **Taking a head out shows that it is needed here**, with zero in its place. Where there is a spare, it shows nothing.
# - **Patching shows that it is enough here**, for this pair of lines.
# - **A score finds what you defined.** What a head does on other text, it does not say.

# %% tags=["form"]
feedback_box("13, section 8")

# %% [markdown]
# ## Summary
#
# - The residual stream is a sum, so a logit can be taken apart exactly, once the size by which the last norm divides is known. The logit lens reads the sum early.
# - A job is a number first: previous word, first place, same word. You wrote `induction_scores`.
# - An induction head needs two layers: one notes who stood before, the next finds it. In training it appears within a few dozen batches, and the loss drops in the same batches.
# - You wrote `without_heads`, which puts everything back. A head that looks right may not be missed, because there is a spare; patching asks the opposite question.
#
# Next: in [lesson 14](14_cheap_adaptation.ipynb) you teach a trained model something new, cheaply.
#
# ## Where to read more
#
# - Elhage et al. (2021), [A mathematical framework for Transformer circuits](https://transformer-circuits.pub/2021/framework/index.html): the stream as a sum, and attention-only models with one and two layers.
# - Olsson et al. (2022), [In-context learning and induction heads](https://arxiv.org/abs/2209.11895): the drop in the loss, in models of many sizes.
# - nostalgebraist (2020), [interpreting GPT: the logit lens](https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens); Belrose et al. (2023), [Eliciting latent predictions from Transformers with the tuned lens](https://arxiv.org/abs/2303.08112).
# - Michel et al. (2019), [Are sixteen heads really better than one?](https://arxiv.org/abs/1905.10650): how many heads can go.
# - Vig et al. (2020), [Causal mediation analysis for interpreting neural NLP](https://arxiv.org/abs/2004.12265): swapping activations to find causes.
# - Jain & Wallace (2019), [Attention is not explanation](https://arxiv.org/abs/1902.10186); Wiegreffe & Pinter (2019), [Attention is not not explanation](https://arxiv.org/abs/1908.04626).
# - Lesson 3 took out words, not heads: its section on occlusion asks the same question of the input.
