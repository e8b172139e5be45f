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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/12_a_modern_decoder.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/12_a_modern_decoder.ipynb)
#
# # 12. A modern decoder
#
# **After this lesson you can**
# - say what has changed between the Transformer of 2017 and today's open models, and what each change is good for;
# - write rotary positions, and attention that has fewer keys than queries and a cache;
# - load published weights into a model of your own, and prove that it computes the same;
# - let it write: greedily, with a temperature, with top-k, with top-p;
# - measure how well it predicts a text, in a unit that different models share.
#
# **Time:** 130 minutes; the core path (sections 1 to 7) takes 118.
# **Before:** [lesson 5](05_positional_encoding.ipynb), [lesson 11](11_pieces_of_words.ipynb), whose tokens are read here, and [lesson 6](06_decoding_and_generation.ipynb), whose cache and temperature come back here.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import lzma
import math
import time
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from helpers import checks, media, plots
from helpers.data import load_sentences
from helpers.demos import cost, influence, memory, rotary, sampling
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import DotProductAttention, LanguageModel, SelfAttention, causal_mask, choose
from helpers.models.llama import our_name, sizes_of, weights_of
from helpers.pretrained import load_storyteller
from helpers.seeding import set_seed
from helpers.texts.story_excerpts import read_excerpts

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "full": SmolLM2-135M, twenty times as large, 270 MB to download
STEPS = 250  # how many batches lesson 6's character model learns from, in section 6

# %% [markdown]
# ## 1. Two smaller parts (14 minutes)
#
# Today's open models (Llama, Mistral, Qwen, SmolLM and others) are Transformers. But hardly a part looks as it did in 2017:
#
# | part | in 2017 | today | in section |
# |---|---|---|---|
# | norm | layer norm, after adding | RMS norm, first | 1 |
# | MLP | two layers, ReLU between them | SwiGLU: three layers, one of them a gate | 1 |
# | positions | sines, added to the words' vectors | queries and keys are turned | 2 |
# | keys and values | as many heads as queries | fewer | 3 |
# | biases | in MLP and norms | none | 4 |
# | last layer | the embedding's matrix again | the same in small models | 4 |
#
# You will build all of it. Then you load real weights: those of the **storyteller**, a model of Llama's kind that this course trained on old story books.

# %%
llama, tokenizer = load_storyteller(None if DATA == "sample" else "HuggingFaceTB/SmolLM2-135M")

for name, value in sizes_of(llama.config).items():
    print(f"{name:>12}: {value:,}")
print(f"{sum(weights.numel() for weights in llama.parameters()):,} parameters")

# %% [markdown]
# ### RMS norm
#
# Layer norm takes off the mean of a vector's numbers, divides by their standard deviation, multiplies by a weight and adds a bias. RMS norm (Zhang & Sennrich 2019) leaves out the
# mean and the bias. It only divides, by the root of the mean square:
#
# $$\text{RMSNorm}(x) = \frac{x}{\sqrt{\frac{1}{k} \sum_i x_i^2 + \epsilon}} \cdot w$$
#
# Here $x$ has $k$ numbers, $w$ is a learned weight for each of them, and a tiny $\epsilon$ sees to it that nothing is divided by 0.
#
# **Predict first:** for which vectors do the two give the same?


# %%
class RMSNorm(nn.Module):
    """Divides each vector by the root of its mean square (Zhang & Sennrich 2019, 1910.07467)."""

    def __init__(self, embed_dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(embed_dim))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k)."""
        scale = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps)  # (b, t, 1)
        return x * scale * self.weight


# %%
x = torch.randn(2, 5, 64) + 0.5
for name, vectors in (("x", x), ("x without its mean", x - x.mean(dim=-1, keepdim=True))):
    difference = (RMSNorm(64)(vectors) - nn.LayerNorm(64)(vectors)).abs().max()
    print(f"{name:>18}: RMS norm and layer norm differ by {difference:.2f}")

# %% [markdown]
# For those whose mean is 0. So what is lost if nobody takes the mean off? Look into the storyteller: how large is the mean of a word's numbers, beside their root mean square?

# %%
beginning = "Once upon a time there was a little girl who lived at the edge of a great forest."
ids = tokenizer(beginning, return_tensors="pt").input_ids  # (1, t)
with torch.no_grad():
    states = llama(ids, output_hidden_states=True).hidden_states[:-1]  # what each block is handed, (1, t, k)

shares = [(state.mean(dim=-1).abs() / state.square().mean(dim=-1).sqrt()).mean().item() for state in states]
figure = plots.curves(
    range(1, len(shares) + 1),
    {"mean / root mean square": shares},
    title="There is hardly a mean to take off",
    xlabel="block",
    ylabel="share",
)
figure.axes[0].set_ylim(0, 1)
figure

# %% [markdown]
# About 0.05 is what 256 random numbers around 0 would give ($\sqrt{2 / (256 \pi)}$). So little is lost, and something is won: one sum less over each vector, and no bias.
#
# ### SwiGLU: an MLP with a gate
#
# The MLP of 2017 is $W_2\, \text{relu}(W_1 x)$. SwiGLU (Shazeer 2020) has a third matrix. Two of them make a hidden vector each, and the two are *multiplied*, number by number. One of
# them, after the activation, is a **gate**: where it is near 0, nothing of the other passes.
#
# $$W_{\text{down}}\big(\text{silu}(W_{\text{gate}}\, x) \odot W_{\text{up}}\, x\big), \qquad \text{silu}(z) = z \cdot \text{sigmoid}(z)$$
#
# Three matrices instead of two: to have as many parameters, the hidden width is two thirds as large. (The storyteller's 688 is about $\frac{2}{3} \cdot 4 \cdot 256$.)


# %%
class SwiGLU(nn.Module):
    """An MLP whose hidden numbers are multiplied by a gate (Shazeer 2020, 2002.05202)."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.up = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.down = nn.Linear(hidden_dim, embed_dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k)."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


# %% [markdown]
# What can it do that the old one cannot? It can multiply. Let both learn to multiply neighbours, $y_i = x_i \cdot x_{i+1}$, with equally many parameters.
#
# **Predict first:** will the one with the gate have half the error of the other, or far less?

# %%
torch.manual_seed(2021)
mlps = {
    "ReLU": nn.Sequential(nn.Linear(16, 96, bias=False), nn.ReLU(), nn.Linear(96, 16, bias=False)),
    "SwiGLU": SwiGLU(16, 64),  # 3 · 16 · 64 = 2 · 16 · 96
}
errors = {name: [] for name in mlps}
for name, mlp in mlps.items():
    optimizer = torch.optim.Adam(mlp.parameters(), lr=1e-2)
    for _ in range(400):
        x = torch.randn(256, 16)
        loss = F.mse_loss(mlp(x), x * x.roll(-1, dims=-1))  # the last one meets the first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors[name].append(loss.item())

lines = {name: torch.tensor(losses).view(-1, 20).mean(dim=1) for name, losses in errors.items()}
plots.curves(range(20, 401, 20), lines, title="A gate can multiply", xlabel="batches", ylabel="mean squared error", log_y=True)  # fmt: skip

# %% [markdown]
# Far less. Multiplying is what a ReLU can only piece together from straight lines. Whether that is why SwiGLU helps language models, nobody has proved; Shazeer's paper, which measured
# that it does, credits it to “divine benevolence”.

# %% tags=["form"]
feedback_box("12, section 1")

# %% [markdown]
# ## 2. Turn, do not add (25 minutes)
#
# Lesson 5 gave each position a row of clocks and *added* their hands to the word's vector. Rotary positions (Su et al. 2021) use the same clocks in another way: they cut queries and keys
# into pairs of numbers, and *turn* each pair by the angle that its clock shows at this position. Values are left alone.

# %%
rotary.draw_turns(speeds=(1.0, 0.1), positions=range(8))

# %% [markdown]
# The pair $(a, b)$ at position $p$, with a clock of speed $s$ (in radians for each position), becomes
#
# $$\big(a \cos(p s) - b \sin(p s), \;\; b \cos(p s) + a \sin(p s)\big)$$
#
# Vectors of $d$ numbers have $d / 2$ pairs, and as in lesson 5 pair $i$ has the speed $\text{base}^{-2i/d}$, for $i = 0, 1, \dots$: the first one is fast, the last one very slow.
#
# Which numbers make a pair? The paper takes neighbours: 0 and 1, 2 and 3. Most of today's code, and all weights of this lesson, take **halves**: number $i$ goes with number
# $i + d/2$.
#
# **Predict first:** you turn a query at position 5 and a key at position 3. Then you move both on by 100. What happens to their dot product?

# %% [markdown] tags=["answer"]
# <details><summary>Our answer</summary>
#
# Nothing. Two arrows that are turned by the same angle keep the angle between them, so their dot product stays what it was. Only the difference of the two
# positions counts, 2 before and after.
#
# </details>

# %% [markdown]
# ### Exercise 12a: rotary positions
#
# `rotate(x, positions, base)` takes `x` of shape (b, t, h, d), with d even, and `positions` of shape (t,), whole numbers, which need not begin at 0. It returns (b, t, h, d): each vector turned as its position says, in halves.
#
# Fill in four blanks (`...`): `speeds` of shape (d / 2,), `angles` of shape (t, d / 2), and the two halves of the result.
#
# <details><summary>Hint 1</summary>
#
# `torch.arange(half, device=x.device)` gives i = 0, 1, …, where x is. The speed $\text{base}^{-2i/d}$ is `base ** (-i / half)`, since half is d / 2. Each position meets each speed: `positions[:, None] * speeds`.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `cos` and `sin` have the shape (t, 1, d / 2), and `first` and `second` (b, t, h, d / 2), so they can be multiplied. Read the formula above with a = `first` and b = `second`; mind the signs.
#
# </details>


# %% tags=["exercise"]
# Exercise 12a: rotary positions
def rotate(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """Turn queries or keys (b, t, h, d) by their positions (t,): (b, t, h, d) (Su et al. 2021, 2104.09864).

    Number i is paired with number i + d / 2, as in transformers' Llama.
    """
    half = x.shape[-1] // 2
    speeds = ...  # (d / 2,): of each pair's clock
    angles = ...  # (t, d / 2): what each clock shows at each position
    cos, sin = (table[:, None].to(x.dtype) for table in (angles.cos(), angles.sin()))  # (t, 1, d / 2): for all heads
    first, second = x[..., :half], x[..., half:]  # (b, t, h, d / 2) each
    turned_first = ...
    turned_second = ...
    return torch.cat([turned_first, turned_second], dim=-1)


# %% tags=["check"]
checks.rotate(rotate)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import rotate

# %% [markdown]
# Your function at work: one and the same query at 24 positions meets one and the same key at 24 positions. On the left all their dot products; on the right, against the distance alone.

# %% tags=["expected-output"]
torch.manual_seed(1)
vector = torch.randn(1, 1, 1, 32)
query, key = vector, vector + 0.5 * torch.randn(1, 1, 1, 32)
positions = torch.arange(24)
queries, keys = (rotate(x.expand(1, 24, 1, 32), positions)[0, :, 0] for x in (query, key))  # (24, 32) each

rotary.draw_distances(queries @ keys.T)

# %% tags=["form"]
media.what_you_should_see("12_a_modern_decoder_1")

# %% [markdown]
# Along each diagonal the distance is the same, and so is the colour; on the right, all dots for one distance coincide. Near words score higher here because this key is like this query. A model learns queries and keys
# for which other distances score high.
#
# And far away? Move everything on by 100, and by 1,000:

# %%
for shift in (100, 1000):
    further = [rotate(x.expand(1, 24, 1, 32), positions + shift)[0, :, 0] for x in (query, key)]
    change = (further[0] @ further[1].T - queries @ keys.T).abs().max() / (queries @ keys.T).abs().max()
    print(f"{shift:>5} positions further on, dot products change by less than 1 in 100,000: {bool(change < 1e-5)}")

# %% [markdown]
# ### Two conventions
#
# Here is the paper's convention, which pairs neighbours. Turn the same vectors with both.
#
# **Predict first:** the two give different numbers. Can you re-order the numbers of a vector so that they agree?


# %%
def rotate_neighbours(x: torch.Tensor, positions: torch.Tensor, base: float = 10000.0) -> torch.Tensor:
    """As the paper has it: numbers 0 and 1 are a pair, 2 and 3, and so on."""
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)  # (t, d / 2)
    pairs = torch.view_as_complex(x.unflatten(-1, (half, 2)).contiguous())  # (b, t, h, d / 2): a + ib
    turned = pairs * torch.polar(torch.ones_like(angles), angles)[:, None]  # to multiply by cos + i sin is to turn
    return torch.view_as_real(turned).flatten(-2)


x = torch.randn(2, 6, 3, 8)
positions = torch.arange(6)
order = torch.cat([torch.arange(0, 8, 2), torch.arange(1, 8, 2)])  # 0 2 4 6 1 3 5 7: first each pair's first number
print("the same numbers:", torch.allclose(rotate(x, positions), rotate_neighbours(x, positions), atol=1e-5))
print("the same once re-ordered:", torch.allclose(rotate(x[..., order], positions), rotate_neighbours(x, positions)[..., order], atol=1e-5))  # fmt: skip

# %% [markdown]
# Yes: put the first number of each pair into the first half, and the second one into the second. A model's queries and keys come out of a matrix, so re-ordering them is
# re-ordering that matrix's rows. The conventions are equally good; but weights go with the one that they were trained with. Section 4 shows what happens to them with the other one.

# %% tags=["form"]
feedback_box("12, section 2")

# %% [markdown]
# ## 3. Fewer keys than queries (25 minutes)
#
# When a model writes, its cache holds keys and values of all earlier tokens (lesson 6). For long texts and many users at once, the cache becomes larger than the model itself.
#
# So let several query heads share one head of keys and values. With a single one for all of them it is **multi-query** attention (Shazeer 2019); with some, **grouped-query** attention (Ainslie et al. 2023). With 4 query
# heads and 2 key heads, who shares with whom?
#
# **Predict first:** one of these two pictures is how Llama does it. Which one? And does it matter?

# %%
head = torch.arange(2)
pairings = {
    "repeat_interleave: 0 0 1 1": head.repeat_interleave(2),
    "repeat: 0 1 0 1": head.repeat(2),
}
figure, axes = plots.panels(1, 2, width=7.5, height=3.4)
for axis, (name, chosen) in zip(axes[0], pairings.items(), strict=True):
    plots.heatmap(F.one_hot(chosen, 2), title=name, xlabel="key head", ylabel="query head", ax=axis, vmin=0, vmax=1)
figure

# %% [markdown]
# Llama does as on the left: query heads that stand next to each other share. It matters as soon as you load weights, which were trained with one of the two. No error will tell you, for the shapes fit either way:

# %%
keys = torch.randn(1, 6, 2, 8)  # (b, t, key heads, d)
one, other = keys.repeat_interleave(2, dim=2), keys.repeat(1, 1, 2, 1)
print(tuple(one.shape), tuple(other.shape), "the same numbers:", torch.equal(one, other))

# %% [markdown]
# ### Exercise 12b: grouped-query attention with a cache
#
# As in lesson 3: project, attend, unify. New are fewer key heads, turning, and the cache: a dict, empty before the first call, in which `forward` keeps the keys and values of all calls so far. A later call gets
# the *next* tokens only. Fill in the blanks:
#
# 1. `positions` of the t tokens in x, (t,): `seen` tokens came before them;
# 2. queries and keys turned, by `rotate` with `self.base`;
# 3. with a cache: the keys and values of all tokens so far, which the cache must then hold, as `num_kv_heads` heads: this is what saves memory;
# 4. each key and value head, once for every query head of its group: (b, tk, h, d).
#
# Masks are written for you. A token that may look at nothing gets zeros, as in lesson 2.
#
# <details><summary>Hint 1</summary>
#
# If 7 tokens are in the cache, the next one stands at position 7. What does `seen` have to do with `torch.arange(t, device=x.device)`? Values are never turned, and a key is turned once, before it goes into the cache.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.cat([cache["keys"], keys], dim=1)` joins old and new, where there are old ones; `cache["keys"] = keys` keeps them. Then `keys.repeat_interleave(group, dim=2)` copies each head.
#
# </details>


# %% tags=["exercise"]
# Exercise 12b: grouped-query attention with a cache
class GroupedQueryAttention(nn.Module):
    """Causal attention with turned queries and keys; groups of query heads share keys (Ainslie et al. 2023, 2305.13245)."""

    def __init__(self, embed_dim: int, num_heads: int, num_kv_heads: int, base: float = 10000.0) -> None:
        super().__init__()
        if embed_dim % num_heads or num_heads % num_kv_heads:
            raise ValueError(f"{num_heads} heads must divide embed_dim={embed_dim}, and {num_kv_heads} key heads them.")
        self.num_heads, self.num_kv_heads, self.base = num_heads, num_kv_heads, base
        self.head_dim = embed_dim // num_heads
        self.to_queries = nn.Linear(embed_dim, num_heads * self.head_dim, bias=False)
        self.to_keys = nn.Linear(embed_dim, num_kv_heads * self.head_dim, bias=False)
        self.to_values = nn.Linear(embed_dim, num_kv_heads * self.head_dim, bias=False)
        self.attention = DotProductAttention()
        self.unify_heads = nn.Linear(num_heads * self.head_dim, embed_dim, bias=False)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, cache: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(b, t, k) gives (b, t, k). With a cache, x holds the next t tokens, and `tk` counts the earlier ones too.

        Mask: True = may be attended to, broadcastable to (b, h, t, tk), such as (b, 1, 1, tk) for padding; the causal
        mask holds besides. A cache is empty before the first call; each call adds its keys and values to it.
        """
        b, t, _ = x.shape
        seen = cache["keys"].shape[1] if cache else 0
        queries = self.to_queries(x).view(b, t, self.num_heads, self.head_dim)  # (b, t, h, d)
        keys = self.to_keys(x).view(b, t, self.num_kv_heads, self.head_dim)  # (b, t, fewer heads, d)
        values = self.to_values(x).view(b, t, self.num_kv_heads, self.head_dim)
        positions = ...  # (t,)
        queries, keys = ...  # turned
        if cache is not None:
            ...  # keys and values: those of earlier calls, then these; keep them in the cache
        group = self.num_heads // self.num_kv_heads
        keys, values = ...  # (b, tk, h, d)
        allowed = causal_mask(keys.shape[1])[-t:].to(x.device)  # (t, tk)
        if mask is not None:
            allowed = allowed & mask
        return self.unify_heads(self.attention(queries, keys, values, allowed))


# %% tags=["check"]
checks.grouped_query_attention(GroupedQueryAttention)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import GroupedQueryAttention

# %% [markdown]
# Your attention at work, on eight tokens, of which the first two are padding. Swap one token's vector for another, and see whose result moves.
#
# **Predict first:** which columns will be 0 from top to bottom?

# %% tags=["expected-output"]
torch.manual_seed(3)
attention = GroupedQueryAttention(32, num_heads=4, num_kv_heads=2).eval()
x, others = torch.randn(2, 1, 8, 32)  # (b, t, k) = (1, 8, 32) each
words = torch.tensor([[False] * 2 + [True] * 6])  # (b, t): True at words

plots.heatmap(
    influence.influence(lambda x: attention(x, words[:, None, None]), x, others),
    title="Nothing comes from padding, nothing from the future",
    xlabel="token that is swapped",
    ylabel="token whose result moves",
    annotate=True,
)

# %% tags=["form"]
media.what_you_should_see("12_a_modern_decoder_2")

# %% [markdown]
# The first two: nobody may look at padding. (The two rows of padding are 0 as well: there is nothing that they may look at, and then lesson 2's attention gives zeros.)
#
# ### Is it what you had, plus something?
#
# With as many key heads as query heads, this should be the attention of lesson 3, only that its queries and keys are turned on the way. Hand it your weights, and let two hooks turn its queries and keys: a hook is called with what a layer gives, and may replace it.

# %%
ours = GroupedQueryAttention(32, num_heads=4, num_kv_heads=4).eval()
lesson_3 = SelfAttention(32, num_heads=4).eval()
lesson_3.load_state_dict(ours.state_dict(), strict=False)
nn.init.zeros_(lesson_3.unify_heads.bias)  # ours has none


def turn(layer: nn.Module, inputs: Any, projected: torch.Tensor) -> torch.Tensor:
    return rotate(projected.view(1, 8, 4, 8), torch.arange(8)).flatten(2)


for layer in (lesson_3.to_queries, lesson_3.to_keys):
    layer.register_forward_hook(turn)
print(f"the largest difference is {(ours(x) - lesson_3(x, causal_mask(8))).abs().max():.5f}")

# %% [markdown]
# And the cache? Hand over eight tokens at once; then five, two and one, with a cache. **Predict first:** the same, or nearly so?

# %%
at_once, cache = attention(x), {}
in_pieces = torch.cat([attention(piece, cache=cache) for piece in x.split([5, 2, 1], dim=1)], dim=1)
print(f"the largest difference is {(at_once - in_pieces).abs().max():.5f}")
print("in the cache:", {name: tuple(kept.shape) for name, kept in cache.items()})

# %% [markdown]
# The same, up to rounding. The cache holds 2 heads of 8 tokens, not 4. Now what it weighs, in the storyteller's sizes, and how long a token takes once it holds 1,000.


# %%
def filled_cache(length: int, num_kv_heads: int, b: int = 16) -> dict[str, torch.Tensor]:
    """As of b texts of that many tokens; which numbers stand there makes no difference to size and time."""
    return {name: torch.randn(b, length, num_kv_heads, 32) for name in ("keys", "values")}


key_heads = (8, 4, 2, 1)
kilobytes = [8 * sum(kept.nbytes for kept in filled_cache(1, heads, b=1).values()) / 1024 for heads in key_heads]
labels = [f"{heads} key head{'s' if heads > 1 else ''}" for heads in key_heads]
plots.bars(
    labels,
    kilobytes,
    title="Half the heads, half the cache",
    xlabel="kilobytes for each token, in 8 blocks",
    value_format=".0f",
)

# %%
token = torch.randn(16, 1, 256)


def one_more(num_kv_heads: int) -> Callable[[int], Callable[[], object]]:
    def ready(length: int) -> Callable[[], object]:
        layer, kept = GroupedQueryAttention(256, 8, num_kv_heads).eval(), filled_cache(length, num_kv_heads)
        return lambda: layer(token, cache=dict(kept))

    return ready


with torch.no_grad():
    makers = {label: one_more(heads) for label, heads in zip(labels, key_heads, strict=True)}
    seconds = cost.seconds_per_word(makers, [1000], repeats=20)
milliseconds = [1000 * values[0] for values in seconds.values()]
plots.bars(labels, milliseconds, title="One token more, for 16 texts of 1,000", xlabel="milliseconds in one attention layer")  # fmt: skip

# %% [markdown]
# Memory goes down with the heads. Time need not, here: `repeat_interleave` makes the copies that were saved, and the scores are as many as before. On a GPU, special
# kernels read each shared key once, and since reading the cache is what takes the time there, a token gets faster, too.
#
# **Think! 3.** Why not always use a single key head?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# All heads would look for the same things in the same places: they could still ask different questions, but each token would have a single key and a single value to answer with. Ainslie et al. measured it: one
# key head costs quality, a few groups nearly nothing. The storyteller has 4 for its 8 heads, SmolLM2-135M has 3 for 9.
#
# </details>

# %% tags=["form"]
feedback_box("12, section 3")

# %% [markdown]
# ## 4. The whole thing, with real weights (18 minutes)
#
# Norm first (lesson 4), attention, add; norm, MLP, add. At the end one more norm, and the logits: the dot products with the embeddings of all tokens. No position is added anywhere.


# %%
class LlamaBlock(nn.Module):
    """A block of today's decoders: norm first, turned and grouped attention, SwiGLU (Touvron et al. 2023, 2302.13971)."""

    def __init__(
        self, embed_dim: int, num_heads: int, num_kv_heads: int, hidden_dim: int, base: float, eps: float
    ) -> None:
        super().__init__()
        self.norm_1 = RMSNorm(embed_dim, eps)
        self.attention = GroupedQueryAttention(embed_dim, num_heads, num_kv_heads, base)
        self.norm_2 = RMSNorm(embed_dim, eps)
        self.mlp = SwiGLU(embed_dim, hidden_dim)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, cache: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """(b, t, k) gives (b, t, k); mask and cache are the attention's."""
        x = x + self.attention(self.norm_1(x), mask, cache)
        return x + self.mlp(self.norm_2(x))


# %%
class Decoder(nn.Module):
    """Predicts at each place of a text which token comes next: a Llama, whose head is its embedding."""

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int,
        depth: int,
        hidden_dim: int,
        base: float = 10000.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        sizes = (embed_dim, num_heads, num_kv_heads, hidden_dim, base, eps)
        self.blocks = nn.ModuleList(LlamaBlock(*sizes) for _ in range(depth))
        self.norm = RMSNorm(embed_dim, eps)

    def forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None = None,
        caches: list[dict[str, torch.Tensor]] | None = None,
    ) -> torch.Tensor:
        """Ids (b, t) give logits (b, t, v).

        Mask (b, tk): True at tokens, False at padding. Caches: one for each block, empty at first; tk counts what they
        hold, too.
        """
        x = self.embedding(ids)  # (b, t, k)
        mask = None if mask is None else mask[:, None, None]  # (b, 1, 1, tk)
        for number, block in enumerate(self.blocks):
            x = block(x, mask, None if caches is None else caches[number])
        return self.norm(x) @ self.embedding.weight.T  # (b, t, v)


# %%
def as_decoder(llama: Any) -> Decoder:
    """The course's decoder with the weights of a `transformers.LlamaForCausalLM`, in eval mode."""
    decoder = Decoder(**sizes_of(llama.config))
    decoder.load_state_dict(weights_of(llama))  # it insists: every weight has a place, and every place its weight
    return decoder.eval()


# %% [markdown]
# Published weights have other names than your parts. A table translates. Some of it:

# %%
for name, weight in llama.state_dict().items():
    if name.startswith(("model.embed", "model.layers.0.", "model.norm")):
        print(f"{name:>46} -> {our_name(name):<36} {tuple(weight.shape)}")

# %% [markdown]
# Now the proof. Three beginnings of different lengths, padded on the left; transformers' own model beside yours.
#
# **Predict first:** padding on the left moves a text to later positions. Your model counts positions from the left end, padding included. Does it matter?

# %%
decoder = as_decoder(llama).to(DEVICE)
llama.to(DEVICE)
starts = ["Once upon a time", "The old king looked out of the window and", "Then"]
batch = tokenizer(starts, padding=True, return_tensors="pt").to(DEVICE)
ids, mask = batch.input_ids, batch.attention_mask.bool()  # (b, t) each; True at tokens

with torch.no_grad():
    ours, theirs = decoder(ids, mask), llama(input_ids=ids, attention_mask=mask.long()).logits  # (b, t, v)
print("padding on the left of each:", (~mask).sum(dim=1).tolist())
print(f"logits as large as {theirs[mask].abs().max():.0f}, and all within 0.0001: {bool((ours - theirs)[mask].abs().max() < 1e-4)}")  # fmt: skip

# %% [markdown]
# It does not matter: only distances count, so a text may stand anywhere. That is a gift of rotary positions; the model of lesson 6 would need to be told where each text begins. (At padding itself the
# two give different numbers. Nobody reads these.)
#
# And section 2's warning: what if the weights had been trained with the other convention? Re-order the rows of all queries and keys, as if they were the paper's.


# %%
@torch.no_grad()
def mean_loss(model: nn.Module, text: str) -> float:
    """How surprised a model is by each next token of a text, on average."""
    ids = tokenizer(text, return_tensors="pt").input_ids.to(DEVICE)  # (1, t)
    return F.cross_entropy(model(ids)[0, :-1], ids[0, 1:]).item()


reordered = as_decoder(llama).to(DEVICE)
with torch.no_grad():
    for block in reordered.blocks:
        for layer in (block.attention.to_queries, block.attention.to_keys):
            heads = layer.weight.unflatten(0, (-1, 2, block.attention.head_dim // 2))  # (heads, 2, d / 2, k)
            layer.weight.copy_(heads.transpose(1, 2).flatten(0, 2))  # neighbours in each head, as in the paper
losses = [mean_loss(model, read_excerpts()["Peter Pan"][:700]) for model in (decoder, reordered)]
plots.bars(["as trained", "in the other convention"], losses, title="The shapes fit, the numbers do not", xlabel="loss on a page of Peter Pan", value_format=".1f")  # fmt: skip

# %% [markdown]
# ### It writes
#
# Each step takes in what is new: at first the whole beginning, then one token. Without a cache, everything so far. A text that has come to its end gets nothing but end signs.


# %%
@torch.no_grad()
def continue_texts(
    model: Decoder,
    ids: torch.Tensor,
    mask: torch.Tensor,
    count: int,
    pick: Callable[[torch.Tensor], torch.Tensor],
    end: int | None = None,
    cached: bool = True,
) -> torch.Tensor:
    """Continue texts (b, t), padded on the left, by so many tokens: (b, t + count).

    `mask` (b, t) is True at tokens; `pick` chooses, from logits (b, v), ids (b, 1). After `end` comes nothing else.
    """
    caches: list[dict[str, torch.Tensor]] | None = [{} for _ in model.blocks] if cached else None
    to_read, done = ids, torch.zeros_like(mask[:, :1])
    for _ in range(count):
        chosen = pick(model(to_read, mask, caches)[:, -1])  # (b, 1)
        if end is not None:
            chosen = chosen.masked_fill(done, end)
            done = done | (chosen == end)
        ids, mask = torch.cat([ids, chosen], dim=1), torch.cat([mask, torch.ones_like(done)], dim=1)
        to_read = chosen if cached else ids
    return ids


# %%
def greedy(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(dim=-1, keepdim=True)  # (b, 1)


written = continue_texts(decoder, ids, mask, 40, greedy, tokenizer.eos_token_id)
for text in tokenizer.batch_decode(written, skip_special_tokens=True):
    print(text, end="\n\n")

# %% [markdown]
# **Predict first:** the same three texts without the cache; each alone instead of in a batch; by transformers' own `generate`. Which of them will differ?

# %%
end = tokenizer.eos_token_id
slow = continue_texts(decoder, ids, mask, 40, greedy, end, cached=False)
print("without the cache:", "the same" if torch.equal(slow, written) else "different")

alone = [continue_texts(decoder, row[words][None], words[words][None], 40, greedy, end)[0, -40:] for row, words in zip(ids, mask, strict=True)]  # fmt: skip
print("each alone:", "the same" if torch.equal(torch.stack(alone), written[:, -40:]) else "different")

theirs = llama.generate(input_ids=ids, attention_mask=mask.long(), max_new_tokens=40, do_sample=False, pad_token_id=end)
theirs = F.pad(theirs, (0, written.shape[1] - theirs.shape[1]), value=end)  # it stops where all texts have ended
print("by transformers:", "the same" if torch.equal(theirs, written) else "different")

right = tokenizer(starts, padding=True, padding_side="right", return_tensors="pt").to(DEVICE)
wrong = continue_texts(decoder, right.input_ids, right.attention_mask.bool(), 40, greedy, end)
print("padded on the right:", "the same" if torch.equal(wrong[:, -40:], written[:, -40:]) else "different")

# %% [markdown]
# Only the last. Padded on the right, the short texts are continued from what the model says at *padding*: their last place is padding. Hence a batch that is to be continued is padded on the left.
#
# How many tokens a second, with the cache and without?


# %%
def tokens_a_second(cached: bool, count: int = 100) -> float:
    started = time.perf_counter()
    continue_texts(decoder, ids[:1], mask[:1], count, greedy, cached=cached)
    return count / (time.perf_counter() - started)


caching = {"without the cache": False, "with the cache": True}
rates = {name: tokens_a_second(cached) for name, cached in tqdm(caching.items(), unit="way")}
plots.bars(list(rates), list(rates.values()), title="The cache pays", xlabel="tokens a second, for a text of 100", value_format=".0f")  # fmt: skip

# %% [markdown]
# **Think! 4.** How many parameters does the tied head save here, and how large a share of the model would it be untied?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# A matrix of its own would have vocabulary × width numbers: for the storyteller 4,096 × 256, about a million, on top of nearly seven million: 13% of the untied model. For SmolLM2-135M it would be 49,152 × 576, 28 million on
# top of 135, or 17%. In a model of 70 billion it would be about 1%, so large models often leave the two untied.
#
# </details>

# %% tags=["form"]
feedback_box("12, section 4")

# %% [markdown]
# ## 5. Which token next? (18 minutes)
#
# The model gives a probability to every token, and somebody must choose. Greedy choice takes the likeliest. Lesson 6 drew at random, with a temperature. Two more ways cut
# off what is unlikely before they draw:
#
# - **top-k** keeps the k likeliest tokens, always as many;
# - **top-p** (Holtzman et al. 2020) keeps the smallest set of likeliest tokens whose probabilities add up to at least p: few where the model is sure, many where it is not.
#
# **Predict first:** after `Once upon a`, and after `She saw a`, how many tokens will it take for 90% of the probability?


# %%
@torch.no_grad()
def logits_after(text: str) -> torch.Tensor:
    ids = tokenizer(text, return_tensors="pt").input_ids.to(DEVICE)
    return decoder(ids)[:, -1].cpu()  # (1, v)


def enough(logits: torch.Tensor, p: float) -> int:
    totals = logits[0].softmax(dim=-1).sort(descending=True).values.cumsum(dim=-1)
    return int((totals < p).sum()) + 1


counts = {text: enough(logits_after(text), 0.9) for text in ("Once upon a", "She saw a")}
plots.bars([f"“{text}”" for text in counts], list(counts.values()), title="Sure here, open there", xlabel="tokens that hold 90% of the probability", value_format=".0f")  # fmt: skip

# %% [markdown]
# ### Exercise 12c: top-p
#
# `top_p(logits, p)` takes logits of shape (b, v) and returns logits of the same shape: those of the smallest set of likeliest tokens with a total probability of at least p as they were, all
# others $-\infty$. Each text has a set of its own. The token with which the total reaches p belongs to it, and the likeliest token always stays, even if p is 0. The input is left unchanged.
#
# Fill in three blanks:
#
# 1. `before`: for each token, in descending order, the total probability of those before it in that order;
# 2. `outside`: which tokens, in that order, do not belong to the set;
# 3. back from the order to each token's own place: (b, v).
#
# <details><summary>Hint 1</summary>
#
# `probabilities.cumsum(dim=-1)` is the total up to each token, itself included. Take it off again. A token is outside if those before it have reached p already. The first one never is, not even if p is 0: see to that.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `places` says where each of the ordered logits came from. `torch.empty_like(logits).scatter(-1, places, ordered)` puts each back where it came from: at `places[i, j]` of row i it writes `ordered[i, j]`.
#
# </details>


# %% tags=["exercise"]
# Exercise 12c: top-p
def top_p(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the likeliest tokens that together have a probability of at least p (Holtzman et al. 2020, 1904.09751).

    Logits (b, v) give logits (b, v): what is not kept is minus infinity. The likeliest token is always kept.
    """
    ordered, places = logits.sort(dim=-1, descending=True)  # (b, v) each
    probabilities = ordered.softmax(dim=-1)
    before = ...  # (b, v): total probability of the likelier ones
    outside = ...  # (b, v): True and False
    ordered = ordered.masked_fill(outside, -math.inf)
    return ...  # each in its own place


# %% tags=["check"]
checks.top_p(top_p)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import top_p

# %% [markdown]
# Your function at work, beside top-k, on logits of eight tokens, A to H. What is cut off is grey; what stays shares out the probability among itself.


# %%
def top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """Keep the k likeliest tokens: (b, v) give (b, v)."""
    least = logits.topk(min(k, logits.shape[-1])).values[:, -1:]  # (b, 1)
    return logits.masked_fill(logits < least, -math.inf)


def keep(logits: torch.Tensor, temperature: float = 1.0, k: int | None = None, p: float = 1.0) -> torch.Tensor:
    """First the temperature, then top-k, then top-p, as transformers does."""
    logits = logits / temperature
    logits = logits if k is None else top_k(logits, k)
    return logits if p == 1 else top_p(logits, p)


# %% tags=["expected-output"]
example = torch.tensor([[4.0, 2.5, 3.5, 0.0, 1.0, 3.0, 2.0, 0.5]])  # logits of eight tokens, (b, v) = (1, 8)
kinds = {"all": example, "top-k, k = 3": top_k(example, 3), "top-p, p = 0.5": top_p(example, 0.5), "top-p, p = 0.9": top_p(example, 0.9)}  # fmt: skip
sampling.draw_kept(example[0], lambda ids: ["ABCDEFGH"[number] for number in ids], {name: kept[0] for name, kept in kinds.items()})  # fmt: skip

# %% tags=["form"]
media.what_you_should_see("12_a_modern_decoder_3")

# %% [markdown]
# And the model's own probabilities, in the two places from before.
#
# **Predict first:** in which of the two places does top-p with p = 0.9 cut off more than top-k with k = 10?

# %%
for text in ("Once upon a", "She saw a"):
    logits = logits_after(text)
    by_p, by_k = (int(kept.isfinite().sum()) for kept in (keep(logits, p=0.9), keep(logits, k=10)))
    print(f"{text} … top-k keeps {by_k} tokens, top-p {'fewer' if by_p < by_k else 'more'}")

# %% [markdown]
# Where the model is sure, top-p is the stricter one: top-k lets unlikely tokens in. Where much is possible, top-k cuts off good ones. Now let it write, in four ways.


# %%
def drawn(seed: int = 0, **settings: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """A way to pick the next token: cut off, then draw."""
    generator = torch.Generator().manual_seed(seed)
    return lambda logits: choose(keep(logits, **settings), 1.0, generator)


ways = {
    "greedy": lambda: greedy,
    "temperature 1": lambda: drawn(),
    "top-k, k = 40": lambda: drawn(k=40),
    "top-p, p = 0.9": lambda: drawn(p=0.9),
}

# %%
start = tokenizer("The princess went down to the river and", return_tensors="pt").to(DEVICE)
stories = {}
for name, way in tqdm(ways.items(), unit="way"):
    stories[name] = continue_texts(decoder, start.input_ids, start.attention_mask.bool(), 60, way())[0]
for name, text in stories.items():
    print(f"{name}:", tokenizer.decode(text), end="\n\n")

# %% [markdown]
# Greedy text goes round in circles: once a sentence stands there, it is the likeliest continuation of itself. Measure it: in texts of 80 tokens, which share of all groups of four tokens has
# occurred before in the same text? **Predict first:** how much less will the other three repeat themselves?


# %%
def repeats(ids: torch.Tensor) -> float:
    """The share of all groups of four ids (t,) that occurred before."""
    groups = [tuple(group) for group in ids.unfold(0, 4, 1).tolist()]
    return 1 - len(set(groups)) / len(groups)


shares = {}
for name, way in tqdm(ways.items(), unit="way"):
    written = continue_texts(decoder, ids, mask, 80, way())[:, ids.shape[1] :]  # (b, 80)
    shares[name] = sum(map(repeats, written)) / len(written)
plots.bars(list(shares), list(shares.values()), title="Greedy text repeats itself", xlabel="share of groups of four tokens that occurred before")  # fmt: skip

# %%
print("greedy repeats itself more than any other:", max(shares, key=shares.get) == "greedy")

# %% [markdown]
# The three that draw hardly repeat themselves. But plain drawing takes one of thousands of unlikely tokens from time to time, and the text goes astray. Top-k and top-p are meant to avoid both. (All three begin alike, since they share a seed.)
#
# Try it. Which settings make the best story? **Predict first:** with p = 0.1, what will the temperature still change?


# %%
def write(text: str, seed: int, **settings: Any) -> str:
    ids = tokenizer(text, return_tensors="pt").input_ids.to(DEVICE)
    return tokenizer.decode(continue_texts(decoder, ids, ids >= 0, 25, drawn(seed, **settings))[0])


# %%
sampling.sampling_demo(
    write,
    logits_after=lambda text: logits_after(text)[0],
    keep=lambda logits, **settings: keep(logits[None], **settings)[0],
    names=lambda ids: [tokenizer.decode([number]) for number in ids],
)

# %% [markdown]
# Up to 1, hardly anything: where the likeliest token has more than a tenth of the probability, it alone is left. A high temperature comes first, and flattens, so that several are left.

# %% tags=["form"]
feedback_box("12, section 5")

# %% [markdown]
# ## 6. How good is it? (10 minutes)
#
# A language model is measured by how well it predicts a text that it has not read. Its loss is the average surprise at a token; $e^{\text{loss}}$ is called **perplexity**: as surprised as if it had to guess among so many
# equally likely tokens.
#
# We take the beginnings of three books that the storyteller has not read, in windows of 256 tokens: each begins with an end sign, and each token is predicted from those before it in its window.

# %%
WINDOW = 256
excerpts = read_excerpts()


@torch.no_grad()
def surprise(model: nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """Minus the natural logarithm of each token's probability, given those before it: (n, t) give (n, t - 1)."""
    parts = [F.cross_entropy(model(part)[:, :-1].mT, part[:, 1:], reduction="none") for part in windows.split(2)]
    return torch.cat(parts).cpu()


def windows_of(text: str, length: int) -> torch.Tensor:
    """Cut a text's ids into windows, an end sign at the start of each; what is left over at the end goes: (n, length)."""
    ids = tokenizer(text, return_tensors="pt").input_ids[0]  # (t,)
    windows = ids[: len(ids) // (length - 1) * (length - 1)].view(-1, length - 1)
    return F.pad(windows, (1, 0), value=tokenizer.eos_token_id).to(DEVICE)


perplexity, bits = {}, {}
for title, text in tqdm(excerpts.items(), unit="book"):
    windows = windows_of(text, WINDOW)
    nats = surprise(decoder, windows)  # (n, WINDOW - 1)
    read = "".join(tokenizer.batch_decode(windows[:, 1:]))  # without what was left over
    perplexity[title] = nats.mean().exp().item()
    bits[title] = nats.sum().item() / math.log(2) / len(read.encode())
plots.bars(list(perplexity), list(perplexity.values()), title="How many tokens it hesitates between", xlabel="perplexity", value_format=".0f")  # fmt: skip

# %% [markdown]
# Is that good? Take the character model of lesson 6, trained on film reviews for a short while, and measure it on the same books. We make it easy for it: all in lower case, and characters that it does not know
# are left out.

# %%
reviews = "\n".join(load_sentences("film reviews")).lower()
characters = sorted(character for character in set(reviews) if reviews.count(character) >= 100)


def as_ids(text: str) -> torch.Tensor:
    return torch.tensor([characters.index(character) for character in text.lower() if character in characters])


torch.manual_seed(2021)
review_ids = as_ids(reviews[:600_000])
character_model = LanguageModel(len(characters), embed_dim=96, num_heads=4, depth=2).to(DEVICE)
optimizer = torch.optim.AdamW(character_model.parameters(), lr=4e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS, pct_start=0.1)
for _ in tqdm(range(STEPS), unit="step"):
    starts_at = torch.randint(len(review_ids) - 64, (16, 1))
    pieces = review_ids[starts_at + torch.arange(65)].to(DEVICE)  # (b, 65)
    loss = F.cross_entropy(character_model(pieces[:, :-1]).mT, pieces[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()

# %%
story_ids = as_ids("".join(excerpts.values())).to(DEVICE)
windows = F.pad(story_ids[: len(story_ids) // 63 * 63].view(-1, 63), (1, 0), value=characters.index("\n"))  # (n, 64)
character_nats = surprise(character_model.eval(), windows).mean().item()  # for a character, which is one byte here

storyteller_perplexity = math.exp(sum(map(math.log, perplexity.values())) / len(perplexity))
print("by perplexity, the character model is better:", math.exp(character_nats) < storyteller_perplexity)

# %% [markdown]
# So the character model wins? **Predict first:** what is wrong with this comparison?
#
# They hesitate between different things: the one between some 40 characters, the other between 4,096 tokens, and one token is several characters long. Perplexities can be compared only for one and the same
# vocabulary.
#
# What both must do is say the same text. So count what it costs: the **bits** of a token are $-\log_2$ of its probability. Add them up, and divide by the text's bytes. **Bits per byte** can be compared across all vocabularies. It is also
# what a perfect compressor would need to store the text with that model. So an ordinary one, xz, may take part.

# %%
whole = "".join(excerpts.values()).encode()
of_books = sum(bits[title] for title in excerpts) / len(excerpts)
compared = {
    "storyteller": of_books,
    "character model of lesson 6": character_nats / math.log(2),
    "xz, which has read nothing": 8 * len(lzma.compress(whole, preset=9)) / len(whole),
}
plots.bars(list(compared), list(compared.values()), title="The storyteller predicts best", xlabel="bits per byte of the three books")  # fmt: skip

# %% [markdown]
# The order turns round. (xz learns from the text itself as it goes; on a long one it does better. The character model gets a text in lower case, and still needs more.)

# %% tags=["form"]
feedback_box("12, section 6")

# %% [markdown]
# ## 7. Longer than it was trained for (8 minutes)
#
# The storyteller was trained on windows of 256 tokens. Rotary positions have no table that ends there: nothing stops you from handing over 512.
#
# **Predict first:** does it get better with each token that it has read, also beyond 256? Or does it stop, or break?

# %%
small, small_tokenizer = load_storyteller()  # with "full", too: SmolLM2 was trained on windows of thousands
story_decoder = as_decoder(small).to(DEVICE)
story_ids = small_tokenizer("".join(excerpts.values()), return_tensors="pt").input_ids[0]
windows = story_ids[: len(story_ids) // 513 * 513].view(-1, 513).to(DEVICE)  # (n, 513)


def perplexity_by_position(base: float) -> torch.Tensor:
    """Perplexity over 64 positions at a time, (8,)."""
    for block in story_decoder.blocks:
        block.attention.base = base
    return surprise(story_decoder, windows).mean(dim=0).view(8, 64).mean(dim=1).exp()


by_base = {f"base {base:,}": perplexity_by_position(base) for base in tqdm((10_000, 40_000), unit="base")}

# %%
figure = plots.curves(torch.arange(8) * 64 + 32, by_base, title="Beyond 256, as trained, it loses its way", xlabel="position", ylabel="perplexity")  # fmt: skip
figure.axes[0].axvline(256, color=plots.BLACK, linestyle=":")
figure

# %% [markdown]
# It stops getting better some way before the dotted line, and not far beyond it, it breaks. There, distances occur that it has never met, and clocks stand at angles that it has never seen. (There are few windows of that length, and at each position other passages of the books, some harder
# than others. So compare the two curves at one position, rather than one curve with itself.)
#
# A larger base makes the slow clocks slower. Angles that were reached at 256 are reached later, so less is new beyond. The price: the model was trained with other speeds, so it becomes
# worse within its window. That is why people who lengthen a model's window raise the base *and* train on for a while (Code Llama went from 10,000 to 1,000,000).

# %% tags=["form"]
feedback_box("12, section 7")

# %% [markdown]
# ## 8. Attention without the big matrix (12 minutes, optional)
#
# Scores for t tokens are a matrix of t × t numbers. For 100,000 tokens these are 40 GB, for each head. But nobody wants the matrix; what is wanted is the average of the values.
#
# An average can be taken in blocks, and so can a softmax (Milakov & Gimelshein 2018). Go over the keys a block at a time, and keep three things for each query: the largest score so far, the sum of all
# $e^{\text{score} - \text{largest}}$, and the same sum with values. Whenever a larger score turns up, shrink both sums by $e^{\text{old} - \text{new}}$.
#
# FlashAttention (Dao et al. 2022) does this on a GPU, with blocks that fit into its small and fast memory.


# %%
def attention_by_blocks(queries, keys, values, block: int = 64) -> torch.Tensor:
    """Causal attention, (h, t, d) three times give (h, t, d), in blocks of queries and keys."""
    h, t, d = queries.shape
    output = torch.empty_like(queries)
    for first in range(0, t, block):
        asked = queries[:, first : first + block] / math.sqrt(d)  # (h, block, d)
        places = torch.arange(first, min(first + block, t))
        largest = torch.full((h, len(places), 1), -math.inf)
        total, weighted = torch.zeros(h, len(places), 1), torch.zeros(h, len(places), d)
        for start in range(0, first + block, block):  # later keys are in the future
            scores = asked @ keys[:, start : start + block].mT  # (h, block, block): the only matrix of scores
            keys_at = torch.arange(start, min(start + block, t))
            scores = scores.masked_fill(places[:, None] < keys_at, -math.inf)
            new = torch.maximum(largest, scores.amax(dim=-1, keepdim=True))
            shrink, weights = (largest - new).exp(), (scores - new).exp()
            total = total * shrink + weights.sum(dim=-1, keepdim=True)
            weighted = weighted * shrink + weights @ values[:, start : start + block]
            largest = new
        output[:, first : first + block] = weighted / total
    return output


# %% [markdown]
# **Predict first:** is the result an approximation?


# %%
def attention_at_once(queries, keys, values) -> torch.Tensor:
    t = queries.shape[1]
    scores = queries @ keys.mT / math.sqrt(queries.shape[-1])  # (h, t, t)
    return scores.masked_fill(~causal_mask(t), -math.inf).softmax(dim=-1) @ values


queries, keys, values = torch.randn(3, 4, 300, 32)  # (h, t, d) each; 300 is no multiple of 64
exact = attention_at_once(queries, keys, values)
kernel = F.scaled_dot_product_attention(queries[None], keys[None], values[None], is_causal=True)[0]
for name, result in (("by blocks", attention_by_blocks(queries, keys, values)), ("torch's own", kernel)):
    print(f"{name}: within 0.000001: {bool((result - exact).abs().max() < 1e-6)}")

# %% [markdown]
# It is exact, up to rounding. And the memory: which is the largest tensor that ever exists on the way?
#
# **Predict first:** how will each of the lines grow when the text becomes twice as long?

# %%
lengths = [128, 256, 512, 1024, 2048]
kinds = {
    "all at once": attention_at_once,
    "by blocks": attention_by_blocks,
    "torch's own": lambda q, k, v: F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True),
}
megabytes = {name: [] for name in kinds}
for t in lengths:
    inputs = torch.randn(3, 1, t, 32)
    for name, kind in kinds.items():
        megabytes[name].append(memory.largest_tensor(lambda kind=kind, inputs=inputs: kind(*inputs)) / 2**20)
plots.curves(lengths, megabytes, title="Only the matrix grows with the square", xlabel="tokens", ylabel="largest tensor, megabytes", log_x=True, log_y=True)  # fmt: skip

# %% [markdown]
# Four times as large for the matrix; twice as large for the two others, whose lines are the same: their largest tensor is no larger than the result. torch's own function, `scaled_dot_product_attention`, works in blocks too, on CPUs as well.

# %% tags=["form"]
feedback_box("12, section 8")

# %% [markdown]
# ## Summary
#
# - RMS norm divides by the root mean square and leaves the mean alone. SwiGLU has a gate, so it can multiply.
# - Rotary positions turn queries and keys. Their dot product depends on the distance alone; padding on the left changes nothing. Two conventions pair the numbers in different ways: weights go with one of them.
# - Groups of query heads share keys and values, and the cache shrinks by the same factor.
# - Your `Decoder` gave the logits of transformers' Llama to 0.0001, and wrote the same text with a cache, without, and in a batch.
# - Greedy text repeats itself. Top-p keeps few tokens where the model is sure, and many where it is not.
# - Perplexity can be compared for one vocabulary only; bits per byte for all.
# - Beyond the length that it was trained for, a model with rotary positions runs, and gets worse.
#
# ## Where to read more
#
# - Su et al. (2021), [RoFormer](https://arxiv.org/abs/2104.09864): rotary positions.
# - Shazeer (2019), [Fast Transformer decoding](https://arxiv.org/abs/1911.02150), and Ainslie et al. (2023), [GQA](https://arxiv.org/abs/2305.13245): fewer keys and values.
# - Zhang & Sennrich (2019), [Root mean square layer normalization](https://arxiv.org/abs/1910.07467); Shazeer (2020), [GLU variants improve Transformer](https://arxiv.org/abs/2002.05202).
# - Touvron et al. (2023), [LLaMA](https://arxiv.org/abs/2302.13971): all of it together; Rozière et al. (2023), [Code Llama](https://arxiv.org/abs/2308.12950): a larger base for longer texts.
# - Holtzman et al. (2020), [The curious case of neural text degeneration](https://arxiv.org/abs/1904.09751): top-p, and why greedy text is dull.
# - Milakov & Gimelshein (2018), [Online normalizer calculation for softmax](https://arxiv.org/abs/1805.02867); Dao et al. (2022), [FlashAttention](https://arxiv.org/abs/2205.14135).
# - transformers' [page on Llama](https://huggingface.co/docs/transformers/model_doc/llama), and Hugging Face's [SmolLM2-135M](https://huggingface.co/HuggingFaceTB/SmolLM2-135M).
