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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/14_cheap_adaptation.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/14_cheap_adaptation.ipynb)
#
# # 14. Teach it something new, cheaply
#
# **After this lesson you can**
# - say why the change that fine-tuning makes can be written with few numbers;
# - put a low-rank adapter beside a linear layer, train it, and merge it;
# - give one model several skills, and switch between them in milliseconds;
# - measure what a model forgets while it learns something new;
# - store weights in a few bits each, and say what that costs.
#
# **Time:** 90 minutes; the core path (sections 1 to 4, and 6) takes 65.
# **Before:** [lesson 8](08_fine_tune_bert.ipynb), whose classifier is adapted here. Section 5 adapts the storyteller of
# [lesson 12](12_a_modern_decoder.ipynb).

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import tempfile
import time
from copy import deepcopy
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from helpers import checks, media, plots
from helpers.data import load_reviews, load_sentences, load_topics
from helpers.demos import low_rank
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.fine_tune import count_right, make_loader, without_dropout
from helpers.layers import TextClassifier
from helpers.precision import autocast
from helpers.pretrained import load_encoder, load_storyteller, load_tokenizer
from helpers.seeding import set_seed
from helpers.texts.story_excerpts import read_excerpts

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "full": AG News and Yelp, which need the internet
STEPS, TESTS, MAX_LEN = 60, 300, 32  # steps of 8 texts; how many held-out texts are read; tokens of a text
STORY_STEPS = 30  # steps of 8 windows in which the storyteller learns another voice

# %% [markdown]
# ## 1. What does fine-tuning change? (13 minutes)
#
# In lesson 8, an encoder learned to tell four kinds of text apart. To do so, it changed millions of weights, and you had to store all of them.
# Ten tasks would make ten such models. For a model of seven billion weights, one copy takes 28 GB (4 bytes each), and to train it you need four times as much (section 3 says for what).
#
# Is all of that needed? Let us look at what fine-tuning *changes*. First the texts: few of them, so that many trainings fit into this lesson.

# %%
tokenizer, encoder = load_tokenizer(), load_encoder()


def some_of(texts: Any) -> tuple[Any, Any]:
    """Texts to learn from, 8 for each step, and held-out texts to test on."""
    parts = (texts.train, 8 * STEPS), (texts.test, TESTS)
    return tuple(part.shuffle(seed=2021).select(range(count)) for part, count in parts)


topics = load_topics(DATA, tokenizer=tokenizer)
train_part, test_part = some_of(topics)
print(f"{topics.title}: {len(train_part)} to learn from, {len(test_part)} held out")
print("classes:", ", ".join(topics.label_names))

# %% [markdown]
# Then lesson 8's training loop, with two parts of lesson 8's program: `make_loader` makes its batches, and `count_right` counts.


# %%
def fit(model: nn.Module, part: Any, learning_rate: float, seed: int = 2021) -> nn.Module:
    """Train whatever is not frozen for `STEPS` steps of 8 texts; the step size falls to zero."""
    loader = make_loader(part, tokenizer, 8, MAX_LEN, seed)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=STEPS)
    model.to(DEVICE).train()
    for labels, ids, mask in tqdm(islice(chain.from_iterable(repeat(loader)), STEPS), total=STEPS, unit="step"):
        with autocast(DEVICE):
            logits = model(ids.to(DEVICE), mask.to(DEVICE))  # (b, c)
        loss = F.cross_entropy(logits.float(), labels.to(DEVICE))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    optimizer.zero_grad()  # gradients take as much room as the weights
    return model.eval()


def accuracy(model: nn.Module, part: Any) -> float:
    """The share of the texts that a classifier gets right."""
    with autocast(DEVICE):
        right, count = count_right(model, part, tokenizer, MAX_LEN)
    return right / count


# %% [markdown]
# Train once with nothing frozen. (Lesson 8 froze the embedding and three blocks to save time.) It takes 15 seconds.


# %%
def new_classifier(base: nn.Module, num_classes: int) -> nn.Module:
    """Lesson 8's classifier, without dropout; at every call the same random head."""
    torch.manual_seed(2021)
    model = TextClassifier(base, num_classes)
    model.encoder.pooler = None  # nobody reads it
    without_dropout(model)
    return model


tuned = fit(new_classifier(encoder, topics.num_classes), train_part, learning_rate=1.5e-4)

# %%
before, after = encoder.to(DEVICE).state_dict(), tuned.encoder.state_dict()
changes = {name: after[name] - before[name] for name in after if "encoder.layer" in name and after[name].dim() == 2}
lengths = [float(change.norm() / before[name].norm()) for name, change in changes.items()]
print(f"{len(changes)} matrices in the blocks; each change is shorter than 5% of its matrix: {max(lengths) < 0.05}")

# %% [markdown]
# So, seen as one long vector of numbers, each matrix has hardly moved. But *every* number of it has, a little. Can the change be said in fewer numbers?
#
# A column times a row is a matrix, of **rank** 1. Any matrix is a sum of such matrices, the largest first: its **singular value decomposition**,
# $\Delta W = s_1 u_1 v_1^\top + s_2 u_2 v_2^\top + \dots$. Each $u_i v_i^\top$ is a *direction*, and $s_i$ says how much of it there is: the squares of all numbers of
# $\Delta W$ add up to $s_1^2 + s_2^2 + \dots$, and the first $r$ directions *hold* their share of that sum.
#
# **Predict first:** a matrix of 384 × 384 *random* numbers has 384 directions. How many hold half of its sum of squares? And how many hold half of the change's?

# %%
name = f"encoder.layer.{len(encoder.encoder.layer) - 1}.attention.self.value.weight"
change = changes[name].float().cpu()  # (384, 384)
noise = torch.randn(change.shape, generator=torch.Generator().manual_seed(2021))
share = {"the change": low_rank.shares(change), "random numbers": low_rank.shares(noise)}
directions = range(1, 65)
plots.curves(
    directions,
    {label: each[:64] for label, each in share.items()},
    title="A few directions hold most of the change",
    xlabel="directions kept, the largest first (of 384)",
    ylabel="share of the sum of squares",
)

# %%
half = {label: int((each < 0.5).sum()) + 1 for label, each in share.items()}
print(f"Half of the change is in fewer than 10 directions: {'yes' if half['the change'] < 10 else 'no'}")
print(f"Half of the random numbers is in {half['random numbers']} directions.")

# %% [markdown]
# The random matrix needs some seventy directions, the change only a few: it is nearly **low-rank**. Play with the number of directions.
#
# **Predict first:** how many do you need before the middle picture looks like the left one?

# %%
low_rank.draw_low_rank(change, rank=4)

# %%
low_rank.low_rank_demo(change)

# %% [markdown]
# With about four directions, the strongest stripes are there. What you add later looks more and more like noise. A picture is no proof, though. So cut *every* change down to its first $r$ directions, in
# all 36 matrices, and ask the classifier.
#
# **Predict first:** how many of the 384 directions does it need?


# %%
def with_directions(rank: int) -> nn.Module:
    """The tuned classifier, with only the first directions of the change of each matrix in the blocks."""
    model = deepcopy(tuned)
    for name, change in changes.items():
        model.encoder.get_parameter(name).data = before[name] + low_rank.low_rank(change, rank)
    return model


kept = {str(rank): accuracy(with_directions(rank), test_part) for rank in tqdm((1, 4, 16), unit="model")}
kept["all"] = accuracy(tuned, test_part)
plots.bars(
    list(kept),
    list(kept.values()),
    title="A few directions do the work",
    xlabel="accuracy on held-out texts",
    ylabel="directions kept",
    xlim=(0, 1),
)

# %%
gap = kept["all"] - kept["16"]
print(f"With 16 of 384 directions it comes within 5 points of all of them: {'yes' if gap < 0.05 else 'no'}")

# %% [markdown]
# One direction is too few. With four or sixteen, it does about as well as with all 384. The rest of the change of these matrices was hardly needed. (The classifier's head stayed as it was, trained for all of the change. In section 3 it learns together with what is left.)

# %% tags=["form"]
feedback_box("14, section 1")

# %% [markdown]
# ## 2. Write it yourself: a low-rank adapter (18 minutes)
#
# So far we trained everything, and threw most of the change away. Turn it round: let *only* a low-rank change learn (Hu et al. 2021). A matrix of rank $r$ is a
# product of a tall matrix and a wide one, $B A$. Keep the old layer as it is, and add what $B A$ makes of the input:
#
# $$y = W x + b + \frac{\alpha}{r} B A x$$
#
# $A$ is $r \times k$: it makes $r$ weighted sums of the $k$ inputs. $B$ is $n \times r$, and makes $n$ outputs of them. Both together have $r (k + n)$ weights.
# This is **LoRA**, *low-rank adaptation*, and such a pair is an **adapter**.
#
# **Predict first:** for $k = n = 384$ and $r = 4$, what share of the matrix's own weights is that?

# %%
k = n = 384
for rank in (1, 4, 16):
    print(f"rank {rank:>2}: {rank * (k + n):>6,} weights beside {k * n:,}, or {rank * (k + n) / (k * n):.1%}")

# %% [markdown]
# About 2%. The factor $\alpha / r$ keeps the size of the change about the same when you try another rank; $\alpha$ is often 16.
#
# ### Exercise 14a: a low-rank adapter
#
# Fill in the blanks (`...`):
#
# 1. freeze the old layer, its bias too. Only `A` and `B` learn;
# 2. `A` and `B` are linear layers without bias. `A` stays random, as torch draws it; `B` begins at **zero**, so that at the start nothing changes;
# 3. `forward`: the old layer's output, plus `alpha / rank` times what `B` makes of what `A` makes of `x`;
# 4. `merge`: the weight matrix of *one* ordinary linear layer that does the same. The adapter itself stays as it is, so that you can go on training it.
#
# <details><summary>Hint 1</summary>
#
# `requires_grad_(False)` freezes a whole layer. `A` maps from `linear.in_features` to `rank`, `B` from `rank` to `linear.out_features`. `nn.init.zeros_` fills a
# weight with zeros.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `nn.Linear` computes `x @ weight.T`. So one layer after the other, `B(A(x))`, is `x @ A.weight.T @ B.weight.T`, or `x @ (B.weight @ A.weight).T`. Which matrix
# stands in the brackets? Look at its shape. And do not forget the factor.
#
# </details>


# %% tags=["exercise"]
# Exercise 14a: a low-rank adapter
class LoRALinear(nn.Module):
    """A linear layer that stays as it is, and beside it a change of low rank that learns (Hu et al. 2021)."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear, self.rank, self.alpha = linear, rank, alpha
        ...  # freeze the old layer
        self.A = ...
        self.B = ...
        ...  # B begins at zero

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) gives (..., out), with any number of axes in front."""
        return ...

    def merge(self) -> nn.Linear:
        """Return one ordinary linear layer that gives the same output; the adapter itself stays as it is."""
        weight = ...  # (out, in)
        outputs, inputs = weight.shape
        bias = self.linear.bias
        merged = nn.Linear(inputs, outputs, bias=bias is not None).to(weight)  # same device and dtype
        with torch.no_grad():
            merged.weight.copy_(weight)
            if bias is not None:
                merged.bias.copy_(bias)
        return merged


# %% tags=["check"]
checks.lora_linear(LoRALinear)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import LoRALinear

# %% [markdown]
# Your adapter at work, where we know what should come out. A layer of 12 × 12 has to become another one; the change between the two was made of exactly **two** directions. Adapters of rank
# 1, 2 and 4 learn it.
#
# **Predict first:** which of the three get there?

# %% tags=["expected-output"]
torch.manual_seed(3)
old, x = nn.Linear(12, 12), torch.randn(200, 12)
wanted = old(x).detach() + x @ torch.randn(12, 2) @ torch.randn(2, 12) / 4

losses = {}
for rank in (1, 2, 4):
    torch.manual_seed(rank)
    adapter = LoRALinear(deepcopy(old), rank, alpha=2 * rank)
    optimizer = torch.optim.Adam((weight for weight in adapter.parameters() if weight.requires_grad), lr=0.02)
    losses[f"rank {rank}"] = []
    for _ in range(150):
        loss = F.mse_loss(adapter(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[f"rank {rank}"].append(loss.item())
plots.curves(
    range(1, 151),
    losses,
    title="Rank 2 is enough for two directions",
    xlabel="step",
    ylabel="squared error",
    log_y=True,
)

# %% tags=["form"]
media.what_you_should_see("14_cheap_adaptation_1")

# %% [markdown]
# Rank 1 is stuck with what one direction can do. Rank 2 gets there, and rank 4 does, too: two more directions do no harm. All three began at the same loss, that of the old layer,
# since `B` was zero.
#
# When training is over, `merge` puts the change into the matrix. The adapter is gone, and with it every cost of computing it.

# %%
merged = adapter.merge()
difference = (merged(x) - adapter(x)).abs().max()
print(type(merged).__name__, tuple(merged.weight.shape), f"largest difference {difference:.5f}")

# %% [markdown]
# **Think! 14.1.** `A` is random and `B` is zero. What would happen if *both* began at zero? And if both were random?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# The gradient of $A$ has $B$ as a factor, and that of $B$ has $A x$. With both at zero, both gradients are zero: nothing ever learns. With both random, the layer is another one before
# the first step: you would start from a damaged model. With one of them zero, the start is exact. In the first step only $B$ moves; from then on, both learn.
#
# </details>

# %% tags=["form"]
feedback_box("14, section 2")

# %% [markdown]
# ## 3. Five ways to adapt (12 minutes)
#
# Back to the classifier. Where should the adapters go? The paper put them beside the queries and the values of each attention, and we do the same. Everything else is frozen,
# but for the new head.


# %%
def add_adapters(model: nn.Module, names: tuple[str, ...], rank: int, alpha: float = 16) -> nn.Module:
    """Freeze a model, and put an adapter beside each of its linear layers with one of these names."""
    model.requires_grad_(False)
    for part in list(model.modules()):
        for name, layer in list(part.named_children()):
            if name in names:
                setattr(part, name, LoRALinear(layer, rank, alpha))
    return model


def adapted_classifier(base: nn.Module, num_classes: int, rank: int) -> nn.Module:
    """A classifier whose queries and values have adapters; with rank 0 none, so that the head learns alone."""
    model = new_classifier(base, num_classes)
    add_adapters(model.encoder, ("query", "value") if rank else (), rank)
    return model


# %% [markdown]
# Two more, for later: which weights an adapted model has of its own, and what it says about three sentences.


# %%
def what_learned(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that are not frozen, by name."""
    return {name: weight.detach().cpu().clone() for name, weight in model.named_parameters() if weight.requires_grad}


ASKED = [
    "This film is a complete waste of time.",
    "The camera is great and the battery lasts for days.",
    "The senator has failed to answer the question.",
]


@torch.no_grad()
def logits_of(model: nn.Module) -> torch.Tensor:
    """What a classifier says about three sentences, (3, c)."""
    encoded = tokenizer(ASKED, padding=True, return_tensors="pt").to(DEVICE)
    return model(encoded["input_ids"], encoded["attention_mask"]).cpu()


# %% [markdown]
# Five ways: the head alone, adapters of rank 1, 4 and 16, and everything, which stands in section 1. Same steps, same texts in the same order. Only the step size differs. The fewer weights learn, the
# larger the steps that they want, so each way has the better of two that we tried: 0.02 for the head, 0.005 for adapters, 0.00015 for everything.
#
# **Predict first:** will any of the five differ from the others by more than chance?

# %%
reached, counts = {}, {}
for name, rank, learning_rate in (
    ("head alone", 0, 0.02),
    ("rank 1", 1, 5e-3),
    ("rank 4", 4, 5e-3),
    ("rank 16", 16, 5e-3),
):
    model = fit(adapted_classifier(encoder, topics.num_classes, rank), train_part, learning_rate)
    reached[name] = accuracy(model, test_part)
    counts[name] = sum(weight.numel() for weight in what_learned(model).values())
    if rank == 4:  # for section 4
        adapters, answers = {"topics": what_learned(model)}, {"topics": logits_of(model)}
reached["everything"] = kept["all"]
counts["everything"] = sum(weight.numel() for weight in tuned.parameters())

# %% [markdown]
# With 300 texts to test on, an accuracy is uncertain by about 2 points either way (one standard error, $\sqrt{p (1 - p) / 300}$). The lines in the picture say so.

# %%
figure, axes = plots.panels(1, 1, width=6.8, height=3.8)
for name, count in counts.items():
    share = reached[name]
    axes[0, 0].errorbar(count, share, (share * (1 - share) / TESTS) ** 0.5, fmt="o", color=plots.BLUE, capsize=4)
    axes[0, 0].annotate(name, (count, 0.76), ha="center")
axes[0, 0].set(title="Few weights do nearly as well as all", xlabel="weights that learn", ylabel="accuracy")
axes[0, 0].set(xscale="log", xlim=(500, 1e8), ylim=(0.75, 1))
figure

# %%
best = max(reached["rank 4"], reached["rank 16"])
print(f"An adapter comes within 5 points of everything: {'yes' if best > reached['everything'] - 0.05 else 'no'}")
print(
    f"Rank 4 learns {counts['rank 4']:,} weights of {counts['everything']:,}, or {counts['rank 4'] / counts['everything']:.2%}."
)

# %% [markdown]
# Hardly any: with one weight in several hundred, it does as well as with all. But do not read an order out of this picture: where the lines overlap, other texts or another seed may swap two points. The head alone does well here, too, since the encoder was tuned so
# that a text's mean vector says what it is about. In our trials with 900 held-out texts, rank 4 was two points ahead of it.
#
# Does it also save *time*? Some. The loss still has to find its way back through all blocks, but no gradients of the frozen matrices are computed on that way: about a third of the work of a step. Far more is saved in memory: a weight that learns
# needs its gradient, and AdamW keeps two more numbers for it.

# %%
megabytes = {name: 3 * 4 * count / 1e6 for name, count in counts.items()}  # gradient, and AdamW's two; 4 bytes each
plots.bars(
    list(megabytes),
    list(megabytes.values()),
    title="Memory for learning: gradients and AdamW's two numbers",
    xlabel="megabytes, besides the model itself",
    value_format=".3g",
)

# %% [markdown]
# You need not write any of this yourself in your own projects. The library [peft](https://huggingface.co/docs/peft) does what `add_adapters` does, in one line:
# `get_peft_model(model, LoraConfig(r=4, lora_alpha=16, target_modules=["query", "value"]))`. A test of this course sees to it that your layer and peft's give the same numbers.

# %% tags=["form"]
feedback_box("14, section 3")

# %% [markdown]
# ## 4. One base, two adapters (8 minutes)
#
# An adapter is small, and the base has not changed. So one base can have many: a second one learns to rate reviews, in five levels, as in lesson 7.

# %%
levels = load_reviews(DATA, tokenizer=tokenizer)
train_levels, test_levels = some_of(levels)
model = fit(adapted_classifier(encoder, levels.num_classes, rank=4), train_levels, 5e-3)
adapters["levels"] = what_learned(model)
answers["levels"] = logits_of(model)
levels_right = accuracy(model, test_levels)
print(f"right about {levels_right:.0%} of the levels; guessing would be right about {1 / levels.num_classes:.0%}")

# %%
print(f"It is right twice as often as by guessing: {'yes' if levels_right > 2 / levels.num_classes else 'no'}")

# %% [markdown]
# What belongs to an adapter? Whatever learned: `A`, `B` and the head. Save it as safetensors.
#
# **Predict first:** the base takes 90 MB. How much does an adapter take?

# %%
folder = Path(tempfile.mkdtemp())
files = {name: folder / f"{name}.safetensors" for name in adapters}
for name, adapter in adapters.items():
    save_file(adapter, files[name])
on_disk = {f"adapter, {name}": file.stat().st_size / 1e6 for name, file in files.items()}
on_disk["base"] = sum(4 * weight.numel() for weight in encoder.parameters()) / 1e6
plots.bars(list(on_disk), list(on_disk.values()), title="An adapter is a small file", xlabel="megabytes")

# %% [markdown]
# About a sixth of a megabyte: you could send it by e-mail. Now load both back, and switch: the numbers of `A` and `B` are replaced, and the head, which has another size for
# another task. Everything else stays where it is.

# %%
loaded = {name: load_file(file) for name, file in files.items()}


def switch(model: nn.Module, adapter: dict[str, torch.Tensor]) -> None:
    """Give a model another skill."""
    outputs, inputs = adapter["head.weight"].shape
    model.head = nn.Linear(inputs, outputs).to(DEVICE)
    model.load_state_dict(adapter, strict=False)  # only what is in the file; the base stays


for name, adapter in loaded.items():
    switch(model, adapter)
    print(f"{name}: the same predictions as before: {torch.equal(logits_of(model), answers[name])}")

# %%
milliseconds = []
for turn in range(40):
    started = time.perf_counter()
    switch(model, loaded["topics" if turn % 2 else "levels"])
    milliseconds.append(1000 * (time.perf_counter() - started))
middle = sorted(milliseconds)[20]
print(f"A switch takes less than 50 milliseconds: {'yes' if middle < 50 else 'no'}")

# %% [markdown]
# One model in memory, two skills. Ask both about the same sentences:

# %%
for name, texts in (("topics", topics), ("levels", levels)):
    switch(model, loaded[name])
    for text, number in zip(ASKED, logits_of(model).argmax(dim=-1).tolist(), strict=True):
        print(f"{texts.label_names[number]:>18}  {text}")

# %% tags=["form"]
feedback_box("14, section 4")

# %% [markdown]
# ## 5. Another voice, and what is forgotten (13 minutes, optional)
#
# The storyteller of lesson 12 has read nothing but old stories. Teach it to sound like a film review, once with adapters and once by training all its weights. What happens to its
# stories?
#
# We measure **perplexity**, as in lesson 12: $e$ to the mean loss of a token. A model with perplexity 50 is as unsure as if it had to choose among 50 equally likely tokens each time. Two held-out texts: film reviews,
# and parts of three story books that it has not read.


# %%
storyteller, story_tokenizer = load_storyteller()


def windows(texts: list[str], length: int, count: int) -> torch.Tensor:
    """The first tokens of some texts, one after the other, cut into windows (count, length)."""
    end, line = story_tokenizer.eos_token_id, []
    for text in texts:
        line += [end, *story_tokenizer(text)["input_ids"]]
        if len(line) >= length * count:
            break
    return torch.tensor(line[: length * count]).view(count, length)


stories = [text[:3000] for text in read_excerpts().values()]
held_out = {
    "reviews": windows(load_sentences("film reviews", part="test"), 128, 16),
    "stories": windows(stories, 128, 16),
}
to_learn = windows(load_sentences("film reviews"), 64, 8 * STORY_STEPS).view(STORY_STEPS, 8, 64).to(DEVICE)
print({name: tuple(ids.shape) for name, ids in held_out.items()})


# %%
@torch.no_grad()
def perplexities(model: nn.Module) -> list[float]:
    """Of the held-out reviews, and of the held-out stories."""
    with autocast(DEVICE):
        losses = [[model(part, labels=part).loss for part in ids.to(DEVICE).split(4)] for ids in held_out.values()]
    return [float(torch.stack(each).mean().exp()) for each in losses]


def learn_reviews(model: nn.Module, learning_rate: float) -> list[list[float]]:
    """Train on reviews; return the perplexities before, on the way, and after."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=STORY_STEPS)
    path = [perplexities(model)]
    for step, ids in enumerate(tqdm(to_learn, unit="step"), start=1):
        with autocast(DEVICE):
            loss = model(ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % (STORY_STEPS // 3) == 0:
            path.append(perplexities(model))
    return path


# %% [markdown]
# A voice is more than where to look. So each block gets four adapters this time: beside queries and values, beside the matrix in which the heads meet (`o_proj`), and beside the last one of the MLP (`down_proj`).
#
# **Predict first:** both ways start from the same point. Which one will do better on reviews? And which one will forget more about stories? (In the picture, each mark is one third of the training further on.)

# %%
voices = {
    "adapters of rank 8": add_adapters(deepcopy(storyteller), ("q_proj", "v_proj", "o_proj", "down_proj"), rank=8).to(
        DEVICE
    ),
    "all weights": deepcopy(storyteller).to(DEVICE),
}
paths = {}
for (name, model), learning_rate in zip(voices.items(), (5e-3, 1e-3), strict=True):
    print(f"{name}: {sum(weight.numel() for weight in what_learned(model).values()):,} weights learn")
    paths[name] = learn_reviews(model, learning_rate)

# %%
figure, axes = plots.panels(1, 1, width=6.4, height=4.2)
for (name, path), colour, marker in zip(paths.items(), (plots.BLUE, plots.VERMILION), "os", strict=True):
    axes[0, 0].plot(*zip(*path, strict=True), color=colour, marker=marker, label=name)
axes[0, 0].annotate("before", path[0], xytext=(-6, 8), textcoords="offset points")
axes[0, 0].set(
    title="Left is learning, up is forgetting", xlabel="perplexity on reviews", ylabel="perplexity on stories"
)
axes[0, 0].legend()
figure

# %%
(few_reviews, few_stories), (all_reviews, all_stories) = (path[-1] for path in paths.values())
reviews_before, stories_before = path[0]
print(f"Both ways learn reviews: {'yes' if max(few_reviews, all_reviews) < 0.8 * reviews_before else 'no'}")
print(f"Both forget about stories: {'yes' if min(few_stories, all_stories) > stories_before else 'no'}")

# %% [markdown]
# Both go left, and both go up: whoever learns only reviews gets worse at stories. This is called **catastrophic forgetting**. Training all weights goes further in both directions. In larger comparisons, too, adapters *learn less and forget less*
# (Biderman et al. 2024); how far each goes depends on the step size, and on how long you train.
#
# One thing is certain, though. The adapters' forgetting can be undone, since the old weights are still there:

# %%
model = voices["adapters of rank 8"]
for part in model.modules():
    if isinstance(part, LoRALinear):
        part.alpha = 0.0  # no more than the old layer's output
without = perplexities(model)
print(f"adapters off, as before: {abs(without[1] / stories_before - 1) < 0.001}")

# %% [markdown]
# What do they write? Here are the two, and the old storyteller, with one beginning.

# %%
for part in model.modules():
    if isinstance(part, LoRALinear):
        part.alpha = 16
begin = story_tokenizer(story_tokenizer.eos_token + "The film is", return_tensors="pt").to(DEVICE)
for name, model in {"as it was": storyteller.to(DEVICE), **voices}.items():
    torch.manual_seed(1)
    ids = model.generate(**begin, max_new_tokens=30, do_sample=True, temperature=0.7, top_k=50)
    print(f"{name}: {story_tokenizer.decode(ids[0], skip_special_tokens=True)}\n")
del model, voices  # so that their memory is free for what comes

# %% tags=["form"]
feedback_box("14, section 5")

# %% [markdown]
# ## 6. Fewer bits (16 minutes)
#
# Adapters make *learning* cheap. The base is still there, with 32 bits for every weight. Does it need so many?
#
# Write each weight as a **whole number** times a **scale**: with 8 bits from -127 to 127, with 4 bits from -7 to 7. The largest is $2^{\text{bits} - 1} - 1$. This is **quantization**.
#
# One very large weight should not spoil all others, so each **row** has a scale of its own: its largest weight, without its sign, becomes the largest whole number.
#
# ### Exercise 14b: weights in few bits
#
# Fill in the blanks (`...`): `quantize_rows` gets a matrix (n, m), and returns whole numbers (n, m), of dtype `torch.int8`, and a scale for each row, (n, 1). Take the *nearest* whole numbers. A row may be zero throughout: it gives zeros, and no NaN.
#
# <details><summary>Hint 1</summary>
#
# Take one row, say `[0.5, -1.0, 0.26]`, and 4 bits. The largest without its sign is 1.0 and must become 7: the scale is 1/7. Divide by it: 3.5, -7 and 1.82. Then take the *nearest* whole numbers.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `weight.abs().amax(dim=1, keepdim=True)` has the shape (n, 1). For a row of zeros, put any number but 0 in its place, say with `torch.where`. `torch.round` goes to the nearest whole number; `.to(torch.int8)` alone
# would cut off what stands after the decimal point.
#
# </details>


# %% tags=["exercise"]
# Exercise 14b: weights in few bits
def quantize_rows(weight: torch.Tensor, bits: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (n, m) give whole numbers (n, m), torch.int8, and a scale for each row (n, 1); `bits` is 2 to 8."""
    most = ...  # the largest whole number
    scale = ...  # (n, 1)
    return ...


# %% tags=["check"]
checks.quantize_rows(quantize_rows)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import quantize_rows

# %% [markdown]
# Your function at work, on one row of the encoder: each weight, and what is left of it.
#
# **Predict first:** how many different values are there with 4 bits? With 2?

# %% tags=["expected-output"]
row = encoder.state_dict()["encoder.layer.0.attention.self.value.weight"][:1].cpu()  # (1, 384)
figure, axes = plots.panels(1, 3, width=10, height=3.4, sharey=True)
for ax, bits in zip(axes[0], (8, 4, 2), strict=True):
    numbers, scale = quantize_rows(row, bits)
    ax.plot(row[0], (numbers * scale)[0], ".", color=plots.BLUE)
    ax.set(title=f"{bits} bits: {len(numbers.unique())} values in this row", xlabel="weight")
axes[0, 0].set_ylabel("whole number × scale")
figure

# %% tags=["form"]
media.what_you_should_see("14_cheap_adaptation_2")

# %% [markdown]
# At most 15 with 4 bits, from -7 to 7 (here 14: the row's largest weight is negative, so 7 is never reached), and 3 with 2 bits: minus, nothing, plus. In a staircase as coarse as the last one, most weights fall to zero.
#
# Now take the tuned classifier of section 1, and round all linear layers of its blocks. (The embedding and the head stay as they are. And we store the rounded weights as ordinary numbers again: this shows what is *lost*. What
# is *gained* can be counted.)
#
# **Predict first:** where does it break: at 8 bits, 4, 3 or 2?


# %%
@torch.no_grad()
def quantized(model: nn.Module, bits: int) -> nn.Module:
    """A copy of a model; the linear layers of its blocks keep only what so many bits can say."""
    copy = deepcopy(model)
    for name, layer in copy.named_modules():
        if isinstance(layer, nn.Linear) and "encoder.layer" in name:
            numbers, scale = quantize_rows(layer.weight, bits)
            layer.weight.copy_(numbers * scale)
    return copy


bits = [8, 4, 3, 2]
lost, right = [], []
for each in tqdm(bits, unit="model"):
    model = quantized(tuned, each)
    now = model.encoder.state_dict()
    lost.append(sum(float((now[key] - after[key]).norm() / after[key].norm()) for key in changes) / len(changes))
    right.append(accuracy(model, test_part))
    del model, now  # before the next copy is made

# %%
figure, axes = plots.panels(1, 2, width=9, height=3)
names = [f"{each} bits" for each in bits]
plots.bars(names, lost, title="Error of a weight matrix", xlabel="size of the error; 1 is the matrix", ax=axes[0, 0])
plots.bars(["32 bits", *names], [kept["all"], *right], title="What it does to the classifier", xlabel="accuracy", xlim=(0, 1), ax=axes[0, 1])  # fmt: skip
figure

# %%
print(f"8 bits cost less than 2 points: {'yes' if kept['all'] - right[0] < 0.02 else 'no'}")
print(f"2 bits cost more than 20 points: {'yes' if kept['all'] - right[-1] > 0.2 else 'no'}")
weights = sum(change.numel() for change in changes.values())
scales = sum(len(change) for change in changes.values())
for each in (32, *bits):
    stored = weights * each / 8 + (4 * scales if each < 32 else 0)
    print(f"{each:>2} bits: {stored / 1e6:5.1f} MB for the matrices of the blocks")

# %% [markdown]
# With 8 bits, no accuracy is lost that you could measure, for a quarter of the storage. (Our `int8` takes a byte in any case; libraries pack two numbers of 4 bits into one.) That is why large models are often served that way. Each bit less doubles the error, about. With 2 bits, nothing is left of the
# classifier: it guesses.
#
# **Think! 14.2.** What would happen with *one* scale for the whole matrix? And why a scale for each row, and not for each column?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# One large weight anywhere would set the scale for all. Where the other rows have small weights, these all round to zero. A row belongs to one *output*: its scale can be taken out of the sum, $\sum_j s_i q_{ij} x_j = s_i \sum_j q_{ij} x_j$, so
# that the long sum is one of whole numbers, and the scale is multiplied once. A column's scale would stand inside the sum. (Libraries go further, and give every 32 or 64 weights a scale.)
#
# </details>

# %% tags=["form"]
feedback_box("14, section 6")

# %% [markdown]
# ## 7. Both together (10 minutes, optional)
#
# With 2 bits, nothing was left of the classifier. But the adapter *learns*: if it and the new head learn on the rounded base, can they make up for what was lost? This is the idea of **QLoRA** (Dettmers et al. 2023):
# the base in 4 bits, frozen; adapters in full precision on top. So a model of 65 billion weights could be fine-tuned on a single GPU.
#
# **Predict first:** a base of only 2 bits, and on it either the head alone, or a head and adapters of rank 4. Will the second be nearer to the rounded classifier, or to the adapters on the full base?

# %%
on_coarse = {}
for name, rank, learning_rate in (("head alone", 0, 0.02), ("rank 4", 4, 5e-3)):
    coarse = adapted_classifier(quantized(encoder, 2), topics.num_classes, rank)
    on_coarse[name] = accuracy(fit(coarse, train_part, learning_rate), test_part)
    del coarse  # before the next one is made

# %%
together = {
    "everything, then 2 bits": right[bits.index(2)],
    "2 bits, then head alone": on_coarse["head alone"],
    "2 bits, then rank 4": on_coarse["rank 4"],
    "32 bits, then rank 4": reached["rank 4"],
    "32 bits, everything": reached["everything"],
}
plots.bars(
    list(together),
    list(together.values()),
    title="Learning on a coarse base repairs much",
    xlabel="accuracy",
    xlim=(0, 1),
)

# %%
repaired = together["2 bits, then rank 4"] - together["everything, then 2 bits"]
print(f"Learning on the coarse base gains more than 20 points: {'yes' if repaired > 0.2 else 'no'}")

# %% [markdown]
# The order matters. Whoever rounds last loses. Whoever rounds first, and then learns, gets most of it back: much by the head alone, more with the adapter, even from weights of minus, nothing and plus. (QLoRA itself rounds better than we do: a scale for every 64 weights, and 16 values that lie closer together near zero, where most
# weights are.)

# %% tags=["form"]
feedback_box("14, section 7")

# %% [markdown]
# ## Summary
#
# - Fine-tuning changes every weight a little, but most of the change lies in a few directions.
# - You wrote `LoRALinear`: the old layer frozen, and beside it $\frac{\alpha}{r} B A$, with $B$ zero at the start. `merge` puts it into the matrix, so it costs nothing later.
# - With less than one weight in a hundred, adapters came close to training everything. What they save is memory, and storage for each further task.
# - One base can have many adapters, each a small file, and switches between them in milliseconds.
# - Whoever learns something new forgets something old. An adapter can be taken off again.
# - You wrote `quantize_rows`. Eight bits a weight lose nothing that you would notice, two lose everything. Learning on the coarse base, with an adapter, repairs much of it.
#
# This is the last lesson. You have built attention, and everything around it, from a weighted average of three numbers up to a model that you can teach. Now build something of your own.
#
# ## Where to read more
#
# - Hu et al. (2021), [LoRA](https://arxiv.org/abs/2106.09685): section 7 asks what rank is needed, and where.
# - Dettmers et al. (2023), [QLoRA](https://arxiv.org/abs/2305.14314): adapters on a base of 4 bits.
# - Aghajanyan et al. (2020), [Intrinsic dimensionality](https://arxiv.org/abs/2012.13255): how few numbers fine-tuning needs.
# - Biderman et al. (2024), [LoRA learns less and forgets less](https://arxiv.org/abs/2405.09673): the comparison of section 5, at scale.
# - Hugging Face's pages on [peft](https://huggingface.co/docs/peft) and on [quantization](https://huggingface.co/docs/transformers/quantization/overview).
