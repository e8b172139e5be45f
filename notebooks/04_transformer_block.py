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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/04_transformer_block.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/04_transformer_block.ipynb)
#
# # 4. The Transformer block
#
# **After this lesson you can**
# - say what attention cannot do alone, and what the MLP beside it adds;
# - explain what a residual path and a layer norm do for a deep stack, with a picture of each;
# - write the block that BERT and GPT are stacks of, and show that it is torch's;
# - say why the block replaced recurrence, from a measurement of your own, and where that stops being true.
#
# **Time:** 80 minutes; the core path (sections 1 to 5) takes 65.
# **Before:** [lesson 3](03_many_heads.ipynb), where you build the self-attention that goes into the block.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import torch
from torch import nn

from helpers import checks, media, plots
from helpers.demos import averaging, depth, diagram, influence, norm_order, norms, speed
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import DotProductAttention, SelfAttention
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
LONGEST_TEXT = 1024  # words: how far section 5 measures; halve it on a slow machine

# %% [markdown]
# The video tells the story of sections 1 to 5, if you would rather listen first.

# %%
media.video("usQB0i8Mn-k", "BV1LX4y1c7Ge", title="The Transformer block")

# %% [markdown]
# ## 1. What attention cannot do alone (10 minutes)
#
# Attention gives each query a weighted average of the values. Take that literally. Below are five words whose values are
# points in the plane, so that you can see them. Then come 400 random queries, some short vectors and some long ones.
#
# **Predict first:** where in the plane can the 400 answers lie? Sketch the five points and shade the area.

# %%
words = ["the", "soup", "was", "not", "bad"]
values = torch.tensor([[-2.0, 0.5], [-0.5, 2.0], [1.5, 1.5], [2.0, -1.0], [-1.0, -1.5]])
queries = torch.randn(400, 2) * torch.rand(400, 1) * 6  # many directions, many sizes

points = values[None, :, None, :]  # (b, tk, h, d) = (1, 5, 1, 2)
answers = DotProductAttention()(queries[None, :, None, :], points, points)  # (1, 400, 2)
averaging.draw_answers(values, answers[0], words)

# %% [markdown]
# Weights are positive and add up to 1, so an average never leaves the area between the points. Attention **moves** information from
# word to word. It makes nothing out of it that was not there. (The matrices of lesson 3 turn and stretch the area, but they are straight too.)
#
# Is that a problem? Say attention has done its job: the last word of *not bad* has heard its neighbour. Two numbers in its vector now say
# whether it is *negated* and whether it is *unpleasant*. We want a third one, *complaint*:
#
# | words | negated | unpleasant | complaint |
# |---|---|---|---|
# | good | 0 | 0 | 0 |
# | bad | 0 | 1 | 1 |
# | not good | 1 | 0 | 1 |
# | not bad | 1 | 1 | 0 |
#
# **Predict first:** is there a weighted sum of the two numbers, plus a constant, that gives the last column?

# %%
features = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])  # negated, unpleasant
complaint = torch.tensor([0.0, 1.0, 1.0, 0.0])

with_constant = torch.cat([features, torch.ones(4, 1)], dim=1)
best = torch.linalg.lstsq(with_constant, complaint[:, None]).solution  # the weighted sum with the smallest error
(with_constant @ best).squeeze().round(decimals=2)

# %% [markdown]
# There is none. Whatever the weights are, *good* and *not bad* together score as much as *bad* and *not good* together; we ask for 0 and 2.
# The best a weighted sum can do is to say 0.5 to everything.
#
# So put a bend in: two weighted sums, then `relu` (negative numbers become 0), then a weighted sum of the results. Two linear layers
# with a bend between them are called a multi-layer perceptron, **MLP**. Here the weights are chosen by hand:


# %%
def mlp_by_hand(x: torch.Tensor) -> torch.Tensor:
    both = x.sum(dim=1)  # negated + unpleasant: 0, 1, 1, 2
    hidden = torch.stack([torch.relu(both), torch.relu(both - 1)], dim=1)  # (n, 2)
    return hidden @ torch.tensor([1.0, -2.0])


mlp_by_hand(features)

# %%
averaging.draw_plane(
    {
        "Straight: 0.5 is the best there is": lambda x: x @ best[:2, 0] + best[2, 0],
        "With a bend: right for all four": mlp_by_hand,
    },
    features,
    ["good", "bad", "not good", "not bad"],
    xlabel="negated",
    ylabel="unpleasant",
    colour_label="complaint",
)

# %% [markdown]
# So the two halves of a block share the work:
#
# - **attention** moves information between words, and makes no new features;
# - the **MLP** makes new features, for each word by itself: the same MLP for all words, and none of them sees another.
#
# A block does one after the other, and a Transformer is a stack of many blocks. Can you simply stack them?

# %% tags=["form"]
feedback_box("04, section 1")

# %% [markdown]
# ## 2. The residual path (8 minutes)
#
# A network learns from its gradient, which tells each weight which way to go. The gradient starts at the loss, at the top, and travels
# down through all the layers. Take a stack of small MLPs with torch's usual starting weights, and compare two ways to go from layer to layer:
#
# - plain: `layer(x)` replaces `x`;
# - **residual**: `layer(x)` is *added* to `x`.
#
# In the picture, the stack has 1 to 24 layers. For each we measure the size of the gradient that the first layer's weights get.
#
# **Predict first:** a stack of one layer has one gradient. With 23 more plain layers on top, what fraction of it is left: a half, a
# millionth, less than a billionth?

# %%
steps = {
    "plain": lambda layer, x: layer(x),
    "residual": lambda layer, x: x + layer(x),
}
depth.draw_first_layer(steps)

# %% [markdown]
# Read the axis: each line across the picture is a factor of 100. Of the 0.13 of a single layer, 24 plain layers leave
# 0.0000000000000004, and the first layer cannot learn. With the sum it is still there: 0.25.
#
# Why? Going down through a plain layer multiplies the gradient by the layer's slope, $f'(x)$. These slopes are small at the start, and
# a product of 24 small numbers is tiny. With the sum, the slope of one step is
#
# $$\frac{d}{dx}\bigl(x + f(x)\bigr) = 1 + f'(x).$$
#
# The 1 is a road straight down to the first layer, with no weights on it. It is called a **residual path**, or skip connection (He
# et al. 2015). It helps forwards too: a layer that has nothing to say yet leaves the word as it was, instead of overwriting it.

# %% tags=["form"]
feedback_box("04, section 2")

# %% [markdown]
# ## 3. Layer norm (12 minutes)
#
# The sum has a price. Each layer adds something, so the vectors grow. While a network learns, its weights grow too; let us start with
# weights twice as large as before, and follow the vectors up the stack.

# %%
x = torch.randn(32, depth.WIDTH, dtype=torch.float64)  # 32 random words
spread = [float(x.std())]
for layer in depth.make_layers(24, weight_scale=2.0):
    x = (x + layer(x)).detach()
    spread.append(float(x.std()))

plots.curves(
    range(25),
    {"x + layer(x)": spread},
    title=f"After 24 sums the numbers are {spread[-1] / spread[0]:,.0f} times as large",
    xlabel="sums",
    ylabel="standard deviation of the vectors' numbers",
    log_y=True,
)

# %% [markdown]
# The remedy is to bring every vector back to one size, again and again. For each word by itself: subtract the mean of its numbers, divide by their
# standard deviation. With $k$ numbers $x_1, \dots, x_k$ in a word's vector:
#
# $$\mu = \frac{1}{k} \sum_i x_i \qquad \sigma^2 = \frac{1}{k} \sum_i (x_i - \mu)^2 \qquad \hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}$$
#
# The small $\varepsilon$ saves us from dividing by zero. Four made-up vectors that differ in size, or in where they are centred, before and after:

# %%
four_kinds = ["usual", "loud", "quiet", "shifted"]
size = torch.tensor([[1.0], [3.0], [0.3], [1.0]])
x = size * torch.randn(4, 32) + torch.tensor([[0.0], [0.0], [0.0], [6.0]])  # (t, k) = (4, 32)

mean = x.mean(dim=-1, keepdim=True)  # (4, 1): one a word
variance = (x - mean).square().mean(dim=-1, keepdim=True)
normed = (x - mean) / torch.sqrt(variance + 1e-5)
norms.draw_before_and_after(x, normed, four_kinds)

# %% [markdown]
# This is **layer norm** (Ba et al. 2016), and torch has it. After the division, `nn.LayerNorm` multiplies each of the $k$ numbers by a weight
# and adds a bias, both learned: a network may want some numbers larger than others. They start at 1 and 0, so at first they change nothing:

# %%
norm = nn.LayerNorm(32)
apart = (norm(x) - normed).abs().max()
print(f"torch's numbers and ours differ by at most {apart:.5f}; they are as large as {normed.abs().max():.1f}")
print("learned numbers:", {name: tuple(parameter.shape) for name, parameter in norm.named_parameters()})

# %% [markdown]
# **Predict first:** multiply the first word's vector by 100 and add 7 to each of its numbers. What changes after the norm, for this word
# and for the other three?

# %%
louder = x.clone()
louder[0] = 100 * louder[0] + 7
before = (louder - x).abs().amax(dim=-1)  # the largest change in each vector, before the norm
after = (norm(louder) - norm(x)).abs().amax(dim=-1)
for kind, change, normed_change in zip(four_kinds, before, after, strict=True):
    print(f"{kind:>8}: changed by up to {change:3.0f} before the norm, by {normed_change:.3f} after it")

# %% [markdown]
# Nothing changes: not for this word, because its pattern is the same, and not for the others, because each word is normed by itself. Neither
# the rest of the text nor the rest of the batch matters. So padding does no harm here.
#
# Now the three kinds of stack together: 24 layers, and weights three times as large as torch's. The norm comes after each sum.

# %%
steps["residual, then norm"] = lambda layer, x: nn.functional.layer_norm(x + layer(x), x.shape[-1:])
depth.draw_by_layer(steps, depth=24, weight_scale=3.0)

# %% [markdown]
# With weights this large the 1 in $1 + f'$ is no help: it comes on top of slopes that are too large already. The residual stack explodes more than ten times
# as badly as the plain one. Only the gradients of the stack with norms stay near 0.2, from top to bottom.
#
# **Predict first:** now make the weights smaller again. Which of the three lines will move least? And are there starting weights with which the *plain*
# stack is healthy too?

# %%
depth.depth_demo(steps)

# %% [markdown]
# *Residual, then norm* moves least, by far. With 24 layers, the plain stack is healthy at × 2 only: at × 1.5 its gradient dies on
# the way down, at × 2.5 it explodes. It balances on a knife's edge, and each step of learning moves its weights. The residual path alone cures one half
# of this: its gradient never dies, but it explodes from × 2 on. The norm cures the other half. A deep stack needs both.

# %% tags=["form"]
feedback_box("04, section 3")

# %% [markdown]
# ## 4. Write the block (25 minutes)
#
# You have all the parts now: attention, the MLP, and around each of them a residual path and a norm. Vaswani et al. (2017) put the norm *after*
# the sum, on the left. Many later models put it *before* attention and MLP, on the right.
#
# **Look closely:** in each drawing, go from bottom to top and take the red path wherever there is one. How many norms do you pass through?

# %%
diagram.draw_block()

# %% [markdown]
# On the left two, on the right none: there the red path leads straight to the top. Section 6 shows what follows.
#
# ### Exercise 4: the Transformer block
#
# Fill in four blanks (`...`):
#
# 1. `self.mlp`: a linear layer from `embed_dim` to `hidden_dim`, the activation, a linear layer back;
# 2. norm first: the line for attention is written; add the one for the MLP, with `norm_2`;
# 3. and 4. norm last: attention, add, `norm_1`; then MLP, add, `norm_2`.
#
# Dropout falls in three places only: on the attention's weights (inside `SelfAttention`, written for you), on what attention returns, and
# on what the MLP returns. The last two are `self.dropout`, *before* the result is added to `x`, as in the line that is there.
#
# Shapes: `x` is (b, t, k) and stays so. A **GELU** is a ReLU with a rounded corner; BERT uses it.
#
# <details><summary>Hint 1</summary>
#
# `nn.Sequential(nn.Linear(…), activations[activation](), nn.Linear(…))`: the middle entry makes a ReLU or a GELU.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Norm last: what is inside the first norm? The sum of `x` and of what attention made of `x`. So `self.norm_1(x + …)`.
#
# </details>


# %% tags=["exercise"]
# Exercise 4: the Transformer block
class TransformerBlock(nn.Module):
    """Attention between words, then an MLP on each word, both with a residual path and a norm (Vaswani et al. 2017)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int | None = None,  # of the MLP; by default 2 * embed_dim
        dropout: float = 0.1,
        norm_first: bool = False,
        bias: bool = False,  # in attention's queries, keys and values
        activation: str = "relu",
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        activations = {"relu": nn.ReLU, "gelu": nn.GELU}
        if activation not in activations:
            raise ValueError(f"activation is {activation!r}; choose one of {', '.join(map(repr, activations))}.")
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.norm_first = norm_first
        self.attention = SelfAttention(embed_dim, num_heads, dropout=dropout, bias=bias)
        self.norm_1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.mlp = nn.Sequential(...)
        self.norm_2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """(b, t, k) gives (b, t, k). Mask: True = may be attended to, broadcastable to (b, h, t, t)."""
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norm_1(x), mask))  # (b, t, k), as every line here
            x = ...  # the same around the MLP
        else:
            x = ...  # attention, add, norm
            x = ...  # MLP, add, norm
        return x


# %% tags=["check"]
checks.transformer_block(TransformerBlock)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import TransformerBlock

# %% [markdown]
# Your block at work. Swap one word for another, and measure how far each word's vector moves: in the MLP alone, and in the whole block.
# The sixth place is padding, and the mask says so.
#
# **Predict first:** which squares will be exactly 0 in the left picture? And which in the right one?

# %% tags=["expected-output"]
torch.manual_seed(4)
block = TransformerBlock(embed_dim=32, num_heads=4).eval()  # eval: no dropout
embedding = nn.Embedding(12, 32)  # a vector for each word, random as before any training
x, other = embedding(torch.arange(12)).view(2, 1, 6, 32)  # six words, and six to swap them for: (1, 6, 32) each
mask = torch.tensor([True, True, True, True, True, False])[None, None, None, :]  # (b, h, tq, tk) = (1, 1, 1, 6)

influence.draw_influence(
    {
        "The MLP: each word by itself": block.mlp,
        "The block: each word hears the others": lambda x: block(x, mask),
    },
    x,
    other,
    [*words, "(pad)"],
)

# %% tags=["form"]
media.what_you_should_see("04_transformer_block_1")

# %% [markdown]
# On the left everything beside the diagonal is 0: the MLP never looks at another word. On the right the last column is 0 down to its last
# square: a swap of the padding moves the padding itself, and no word. The diagonal is the largest by far (the colours end early, to tell the small
# numbers apart): that is the residual path, which carries each word past attention.
#
# ### Is it the real thing?
#
# torch has this block too. Give it your weights, and compare. One trap: in torch's masks True means *may not* be attended to, so `~` flips ours.


# %%
def as_torch_layer(block: nn.Module) -> nn.TransformerEncoderLayer:
    """torch's own block, with this block's weights."""
    attention, first, last = block.attention, block.mlp[0], block.mlp[-1]
    layer = nn.TransformerEncoderLayer(
        32, 4, first.out_features, dropout=0.0, norm_first=block.norm_first, batch_first=True
    )
    projections = [attention.to_queries.weight, attention.to_keys.weight, attention.to_values.weight]
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(torch.cat(projections))  # torch keeps the three in one matrix
        layer.self_attn.in_proj_bias.zero_()  # ours has none
    pairs = [(layer.self_attn.out_proj, attention.unify_heads), (layer.linear1, first), (layer.linear2, last)]
    pairs += [(layer.norm1, block.norm_1), (layer.norm2, block.norm_2)]
    for theirs, ours in pairs:
        nn.init.zeros_(theirs.bias)  # and stays zero if yours has none
        theirs.load_state_dict(ours.state_dict(), strict=False)
    return layer


# %%
padding = ~mask[:, 0, 0]  # (b, t): True where torch must not look
figure, axes = plots.panels(1, 2, width=8.0, height=4.0)
for axis, norm_first in zip(axes[0], (False, True), strict=True):
    block = TransformerBlock(32, 4, dropout=0.0, norm_first=norm_first)
    ours, theirs = block(x, mask), as_torch_layer(block)(x, src_key_padding_mask=padding)
    axis.plot(theirs.detach().flatten(), ours.detach().flatten(), ".")
    axis.set(title=f"norm_first={norm_first}: all on one line", xlabel="torch's numbers", ylabel="your numbers")
    print(f"norm_first={norm_first!s:>5}: the largest difference is {(ours - theirs).abs().max():.5f}")
figure

# %% [markdown]
# **Think! 4.1.** Take one part out of the block, then another: attention, the MLP, the residual paths, the norms. What can a stack of 24 such blocks
# no longer do? And one more: swap two words of a text. What changes in the output of the whole stack?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# - *No attention:* no word ever hears another. “bad” means the same after “not” as after “very”.
# - *No MLP:* the weights still bend with the words, thanks to softmax, but what they pass on is an average of straight maps. *Complaint* in
#   section 1 cannot be worked out within one word's vector.
# - *No residual paths:* the first blocks get next to no gradient (section 2), and a word's own content is averaged away.
# - *No norms:* vectors grow from block to block, and large weights or a large learning rate blow the stack up (section 3).
# - *Two words swapped:* the same two vectors come out, swapped. Attention, MLP and norm treat all places alike: a block does not know the order
#   of the words. Lesson 5 tells it.
#
# </details>

# %% tags=["form"]
feedback_box("04, section 4")

# %% [markdown]
# ## 5. Why it replaced recurrence (10 minutes)
#
# Before the Transformer, texts were read by recurrent layers, such as the **GRU** (Cho et al. 2014): word by word, keeping a state.
# The state after word 100 needs the state after word 99, and so on: the steps wait in line, on any computer.
# In a block no word waits: all go through one large matrix product together.
#
# What does one text of $t$ words and width $k$ cost? A matrix of $k \times k$ times a vector takes $k^2$ multiplications.
#
# | | multiplications | where they come from | steps that wait for each other |
# |---|---|---|---|
# | GRU | $6 k^2 \cdot t$ | two gates and the new content: each takes one matrix for the word and one for the state | $t$ |
# | block | $8 k^2 \cdot t$ | for each word: queries, keys, values and `unify_heads` $4k^2$, the MLP of width $2k$ another $4k^2$ | always the same few |
# | | $+\; 2 k \cdot t^2$ | for each of the $t^2$ pairs: $k$ for the score, $k$ for the average | |
#
# **Predict first:** the block does *more* arithmetic, at every length. Which will be faster here for 16 words? For 1,024?

# %%
width = 128
lengths = [t for t in (16, 32, 64, 128, 256, 512, 1024) if t <= LONGEST_TEXT]
encoders = {
    "GRU": nn.GRU(width, width, batch_first=True),
    "block": TransformerBlock(width, num_heads=4, dropout=0.0),
}
seconds = speed.seconds_to_encode(encoders, lengths, width=width, batch_size=4, device=DEVICE)
counted = {name: [speed.multiplications(t, width)[name] for t in lengths] for name in encoders}
speed.draw_race(lengths, counted, seconds)

# %% [markdown]
# On the right are your own seconds, so this page cannot know them. On the single processor thread where it was written, the block won on short
# texts, although it does more arithmetic: the GRU makes many small matrix products in a row, and a processor is better at a few large ones.
# Then the block's curve bent upwards, and at 1,024 words the GRU won: that is the $t^2$.
#
# So “Transformers are faster” is a claim about hardware that does many things at once, and about texts of moderate length.
# If you have a GPU (Colab lends one), run this lesson there and compare.
#
# **Think! 4.2.** From 512 to 1,024 words, by which factor does each curve on the left grow? And from 100,000 to 200,000? Which other
# advantage does the block have when word 1,000 must hear word 1?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# The GRU's curve doubles, always: it grows with $t$. The block's grows by a factor between 2 and 4. With $k = 128$ the two terms, $8 k^2 t$ and $2 k t^2$, are equal at
# $t = 4k = 512$; from there to 1,024 the first doubles and the second quadruples, three times as much in all. At 100,000 words the second is nearly everything, and the factor is 4.
#
# The clock may show more than 4, as it did where this page was written. The attention weights of 4 texts, 4 heads and 1,024² pairs fill 67 megabytes, and several such
# tensors are kept for the backward pass: more than a processor can hold close by. Lesson 6 counts and measures with more care.
#
# The other advantage: in a GRU, what word 1 has to say goes through 999 updates of the state before word 1,000 hears it, and the gradient goes back through all of them, a deep stack
# again, without a residual path for each pair. In a block, each pair of words is one step apart.
#
# </details>

# %% tags=["form"]
feedback_box("04, section 5")

# %% [markdown]
# ## 6. Norm first, or norm last? (10 minutes, optional)
#
# Back to the two orders of section 4. With the norm last, the red path goes through two norms in each block; with the norm first, through none.
# (A norm-first model puts a single norm after its last block.)
#
# Does it matter? Build stacks of 1 to 24 blocks, with starting weights drawn as torch's `nn.Transformer` draws them, and
# look at the gradient of the last block before any learning.


# %%
def starting_blocks(number: int, norm_first: bool) -> nn.ModuleList:
    blocks = nn.ModuleList(TransformerBlock(32, 4, dropout=0.0, norm_first=norm_first) for _ in range(number))
    for parameter in blocks.parameters():
        if parameter.ndim > 1:  # matrices; biases and norms stay as they are
            nn.init.xavier_uniform_(parameter)
    return blocks


norm_order.draw_last_block(starting_blocks)

# %% [markdown]
# With the norm last, the last block of a deep stack gets a larger gradient than that of a shallow one. With the norm first it is the other way
# round: many blocks share it. Xiong et al. (2020) found this. It is their reason why norm last needs a **warm-up**: a learning rate that starts near zero and grows.
#
# A trial: six blocks learn to count. The texts are 12 random words, drawn from 8 different ones. For each word: how many times does it occur
# elsewhere in its text?

# %%
texts, counts = norm_order.make_texts(1, torch.Generator().manual_seed(1))
print("words:  ", *texts[0].tolist())
print("answers:", *counts[0].tolist())

# %% [markdown]
# A linear layer on top of the blocks scores the answers 0 to 11. The loss is the cross-entropy: minus the logarithm of the probability that the
# right answer gets, on average. A model that knows how common each answer is, and does not look at the text, has a loss of 1.45.
#
# **Predict first:** three runs with the same learning rate. Norm last; norm last with a warm-up of 100 steps; norm first. Who learns first, and who last?

# %%
runs = {"norm last": (False, 0), "norm last, warm-up": (False, 100), "norm first": (True, 0)}
losses = {}
for name, (norm_first, warm_up) in runs.items():
    torch.manual_seed(2021)  # the same starting weights for all three
    blocks = starting_blocks(6, norm_first)
    losses[name] = norm_order.loss_while_learning(blocks, learning_rate=2e-3, steps=200, warm_up=warm_up)

norm_order.draw_learning(losses)

# %% [markdown]
# Norm first learns first, without help. Norm last stays on the dashed line for all 200 steps: it has learned how common each answer is, and does not
# look at the text. With a warm-up it gets away from there in the end; the first Transformer and BERT were trained with one. One task and one seed prove little:
# change the seed, the learning rate or the depth, and see what still holds.

# %% tags=["form"]
feedback_box("04, section 6")

# %% [markdown]
# ## 7. Where do the weights sit? (5 minutes, optional)
#
# The first Transformer had width 512 and an MLP of hidden width 2,048, four times as wide.
#
# **Predict first:** everybody talks about attention. What share of a block's learned numbers does it hold?

# %%
original = TransformerBlock(embed_dim=512, num_heads=8, hidden_dim=2048)
parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in original.named_children()}
parameters.pop("dropout")  # it learns nothing

plots.bars(
    list(parameters),
    [count / 1000 for count in parameters.values()],
    title="Two thirds of the block are MLP",
    xlabel="learned numbers, in thousands",
    value_format=",.0f",
)

# %% [markdown]
# By hand, with width $k$: attention has four matrices of $k \times k$; the MLP has two of $k \times 4k$, twice as many numbers. The number of heads changes nothing.
# With our default, a hidden width of $2k$, it is half and half. Matrices only, for $k = 512$:

# %%
k = 512
ours = TransformerBlock(embed_dim=k, num_heads=8)
weights = {name: sum(p.numel() for p in part.parameters() if p.ndim > 1) for name, part in ours.named_children()}
print(f"attention {weights['attention']:,}, MLP {weights['mlp']:,}; by hand 4 k² = {4 * k**2:,}")

# %% tags=["form"]
feedback_box("04, section 7")

# %% [markdown]
# ## Summary
#
# - You built a Transformer block, in both orders, and it gives torch's numbers.
# - Attention moves information between words; the MLP makes new features of each word by itself. It holds half of the weights, or two thirds where it is four times as wide as the vectors.
# - The residual path brings the gradient to the first layer; layer norm keeps every vector, and every gradient, at one size.
# - No word waits for another, so a block uses parallel hardware well. It pays with a cost that grows with the square of the length.
# - In our trial, norm first learned without a warm-up; norm last needed one.
#
# Next: a block treats all places alike. [Lesson 5](05_positional_encoding.ipynb) tells it where each word stands.
#
# ## Where to read more
#
# - Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762), section 3.
# - Ba, Kiros and Hinton (2016), [Layer normalization](https://arxiv.org/abs/1607.06450).
# - He et al. (2015), [Deep residual learning](https://arxiv.org/abs/1512.03385).
# - Xiong et al. (2020), [On layer normalization in the Transformer architecture](https://arxiv.org/abs/2002.04745).
# - Jay Alammar, [The Illustrated Transformer](https://jalammar.github.io/illustrated-transformer/).
# - Alexander Rush and others, [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/).
# - Phillip Lippe, [UvA deep learning tutorial 6](https://uvadlc-notebooks.readthedocs.io/en/latest/tutorial_notebooks/tutorial6/Transformers_and_MHAttention.html).
# - torch's pages for [MultiheadAttention](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html),
#   [TransformerEncoderLayer](https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoderLayer.html) and
#   [LayerNorm](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html).

# %% [markdown]
# **Credits.** The video, the slides and the order of ideas follow W2D5 of [Neuromatch Academy](https://neuromatch.io/)'s deep learning course
# ([CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)). Text and code are this course's own.

# %%
media.slides()
