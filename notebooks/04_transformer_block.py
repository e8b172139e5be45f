# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
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
# Attention gives each query a weighted average of the values. Let us take that word by word. Below are five words whose values are
# points in the plane, so that you can see them. Then 400 random queries ask, some faintly and some loudly.
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
# There is none. A weighted sum gives *good* and *not bad* together as much as *bad* and *not good* together; we ask for 0 and 2. The best
# that it can do is to say 0.5 to everything.
#
# Now put a bend in. Two weighted sums, `relu` (negative numbers become 0), and a weighted sum of these: two linear layers
# with something crooked in between. This is called a multi-layer perceptron, **MLP**. Here the weights are chosen by hand:


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
# A block does one after the other, and a Transformer stacks many blocks. Can you simply stack them?

# %% tags=["form"]
feedback_box("04, section 1")

# %% [markdown]
# ## 2. The residual path (8 minutes)
#
# A network learns from its gradient: each weight asks the loss which way to go. The question travels down through all layers above.
# So take a stack of small MLPs with torch's usual starting weights, and compare two ways to go from layer to layer:
#
# - plain: `layer(x)` replaces `x`;
# - **residual**: `layer(x)` is *added* to `x`.
#
# In the picture, the stack has 1 to 24 layers. For each we measure the size of the gradient that the first layer's weights get.
#
# **Predict first:** with 24 layers, what fraction of the gradient does the first layer get in the plain stack: a half, a hundredth, a millionth?

# %%
steps = {
    "plain": lambda layer, x: layer(x),
    "residual": lambda layer, x: x + layer(x),
}
depth.draw_first_layer(steps)

# %% [markdown]
# Read the axis: each line across the picture is a factor of 100. After 24 plain layers nothing is left, and the first layer cannot learn.
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
spread = []
for layer in depth.make_layers(24, weight_scale=2.0):
    x = (x + layer(x)).detach()
    spread.append(x.std())

plots.curves(
    range(1, 25),
    {"x + layer(x)": spread},
    title="A sum of 24 layers grows a thousandfold",
    xlabel="layer",
    ylabel="standard deviation of the vectors' numbers",
    log_y=True,
)

# %% [markdown]
# The remedy is to bring every vector back to one size, again and again. For each word by itself: subtract the mean of its numbers, divide by their
# standard deviation. With $k$ numbers $x_1, \dots, x_k$ in a word's vector:
#
# $$\mu = \frac{1}{k} \sum_i x_i \qquad \sigma^2 = \frac{1}{k} \sum_i (x_i - \mu)^2 \qquad \hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}$$
#
# The small $\varepsilon$ saves us from dividing by zero. Four words of very different sizes, before and after:

# %%
four_words = ["soup", "loud", "quiet", "shifted"]
size = torch.tensor([[1.0], [3.0], [0.3], [1.0]])
x = size * torch.randn(4, 32) + torch.tensor([[0.0], [0.0], [0.0], [6.0]])  # (t, k) = (4, 32)

mean = x.mean(dim=-1, keepdim=True)  # (4, 1): one a word
variance = (x - mean).square().mean(dim=-1, keepdim=True)
normed = (x - mean) / torch.sqrt(variance + 1e-5)
norms.draw_before_and_after(x, normed, four_words)

# %% [markdown]
# This is **layer norm** (Ba et al. 2016), and torch has it. After the division, `nn.LayerNorm` multiplies each of the $k$ numbers by a weight
# and adds a bias, both learned: a network may want some numbers larger than others. They start at 1 and 0, so at first nothing changes:

# %%
norm = nn.LayerNorm(32)
print("same as by hand:", torch.allclose(norm(x), normed, atol=1e-5))
print("learned numbers:", {name: tuple(parameter.shape) for name, parameter in norm.named_parameters()})

# %% [markdown]
# **Predict first:** multiply the first word's vector by 100 and add 7 to each of its numbers. What changes after the norm, for this word
# and for the other three?

# %%
louder = x.clone()
louder[0] = 100 * louder[0] + 7
change = (norm(louder) - norm(x)).abs().amax(dim=-1)  # the largest change in each word's vector
for word, largest in zip(four_words, change.tolist(), strict=True):
    print(f"{word:>8}: moves by less than 0.001: {largest < 0.001}")

# %% [markdown]
# Nothing: not for this word, because its pattern is the same, and not for the others, because each word is normed by itself. Neither the rest of
# the text nor the rest of the batch matters. That is why padding does no harm here.
#
# Now the three kinds of stack together: 24 layers, and weights three times as large as torch's. The norm comes after each sum.

# %%
steps["residual, then norm"] = lambda layer, x: nn.functional.layer_norm(x + layer(x), x.shape[-1:])
depth.draw_by_layer(steps, depth=24, weight_scale=3.0)

# %% [markdown]
# **Predict first:** one of the three lines will hardly move, whatever you do below. Which? And can you find starting weights with which the *plain*
# stack is healthy too?

# %%
depth.depth_demo(steps)

# %% [markdown]
# Around × 2 the plain stack's gradient survives; at × 1 it dies and at × 3 it explodes. A plain stack balances on a knife's edge, and each step of learning
# moves its weights. The residual path keeps gradients from dying, the norm keeps them from exploding. A deep stack needs both.

# %% tags=["form"]
feedback_box("04, section 3")

# %% [markdown]
# ## 4. Write the block (25 minutes)
#
# Everything is on the table: attention, MLP, and around each of them a residual path and a norm. Vaswani et al. (2017) normed *after* the sum, on the
# left. Many later models norm *before* attention and MLP, on the right.
#
# **Look closely:** on the right, follow the path beside the boxes from bottom to top. How often does it pass through a norm?

# %%
diagram.draw_block()

# %% [markdown]
# ### Exercise 4: the Transformer block
#
# Fill in four blanks (`...`):
#
# 1. `self.mlp`: a linear layer from `embed_dim` to `hidden_dim`, the activation, a linear layer back;
# 2. norm first: the line for attention is written; add the one for the MLP, with `norm_2`;
# 3. and 4. norm last: attention, add, `norm_1`; then MLP, add, `norm_2`.
#
# Written for you: `SelfAttention` from lesson 3, which takes the mask. `self.dropout` goes around what attention and MLP *return*, before it is added,
# as in the line that is there. Shapes: `x` is (b, t, k) and stays so.
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
# **Predict first:** which squares will be exactly 0 in the left picture? And which column in the right one?

# %% tags=["expected-output"]
torch.manual_seed(4)
block = TransformerBlock(embed_dim=32, num_heads=4).eval()  # eval: no dropout
x, other = torch.randn(2, 1, 6, 32)  # six random words, and six to swap them for: (b, t, k) = (1, 6, 32)
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
# On the right, swapping the padding moves no word but itself. The diagonal is by far the strongest (the colours end early, to tell the small numbers
# apart): that is the residual path, which carries each word past attention.
#
# ### Is it the real thing?
#
# torch has this block too. Give it your weights, and compare. One trap: in torch's masks True means *may not* be attended to, so `~` turns ours
# round.


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
    print(f"norm_first={norm_first!s:>5}: equal to within 0.000001: {torch.allclose(ours, theirs, atol=1e-6)}")
figure

# %% [markdown]
# **Think! 4.1.** Take one part out of the block, then another: attention, the MLP, the residual paths, the norms. What can a stack of 24 such blocks
# no longer do? And one more: swap two words of a text. What changes in the output of the whole stack?

# %% tags=["form"]
feedback_box("04, section 4")

# %% [markdown]
# ## 5. Why it replaced recurrence (10 minutes)
#
# Before the Transformer, texts were read by recurrent layers, such as the **GRU** (Cho et al. 2014): word by word, keeping a state.
# The state after word 100 needs the state after word 99, and so on: the steps wait in line, on any computer.
# In a block no word waits: all go through one large matrix product together.
#
# The cost, for one text of $t$ words and width $k$:
#
# | | multiplications | steps that wait for each other |
# |---|---|---|
# | GRU | $6 k^2 \cdot t$ | $t$ |
# | block, MLP of width $2k$ | $8 k^2 \cdot t + 2 k \cdot t^2$ | always the same few |
#
# The $t^2$ is attention: each word looks at each word.
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
# On the right are your own seconds, so this page cannot know them. On the single processor thread where it was written, the block won at every length up to
# 256 words, although it does more arithmetic: the GRU makes many small matrix products in a row, and a processor is
# better at a few large ones. Then the block's curve bent upwards, and at 1,024 words the GRU won: that is the $t^2$.
#
# So “Transformers are faster” is a claim about hardware that does many things at once, and about texts of moderate length.
# If you have a GPU (Colab lends one), run this lesson there and compare.
#
# **Think! 4.2.** From 512 to 1,024 words: by which factor does each curve grow? And for very long texts? Which other
# advantage does the block have when word 1,000 must hear word 1?

# %% tags=["form"]
feedback_box("04, section 5")

# %% [markdown]
# ## 6. Norm first, or norm last? (10 minutes, optional)
#
# Back to the two orders of section 4. Did you count the norms on the path beside the boxes? With the norm last there are two in each block; with the norm first there is none: the path runs
# from the words straight to the top. (A norm-first model puts a single norm after its last block.)
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
# With the norm last, the loss pulls harder at the last block of a deep stack than of a shallow one. With the norm first it is the other way round: many blocks share the pull.
# Xiong et al. (2020) found this, and explain by it why norm last needs a **warm-up**: a learning rate that starts near zero and grows.
#
# A trial: six blocks learn to count. For each word of a random text, how often does the same word occur elsewhere in it?
#
# **Predict first:** three runs with the same learning rate. Norm last; norm last with a warm-up of 100 steps; norm first. Who learns first, and who last?

# %%
runs = {"norm last": (False, 0), "norm last, warm-up": (False, 100), "norm first": (True, 0)}
losses = {}
for name, (norm_first, warm_up) in runs.items():
    torch.manual_seed(2021)  # the same starting weights for all three
    blocks = starting_blocks(6, norm_first)
    losses[name] = norm_order.loss_while_learning(blocks, learning_rate=2e-3, steps=200, warm_up=warm_up)

plots.curves(
    range(1, 201),
    losses,
    title="Six blocks learn to count",
    xlabel="step",
    ylabel="loss (mean of the last ten steps)",
)

# %%
print("norm first ends below 0.5:", losses["norm first"][-1] < 0.5)
print("norm last ends above 1.2: ", losses["norm last"][-1] > 1.2)

# %% [markdown]
# Norm first learns without help. Norm last gets nowhere in these 200 steps until it is given a warm-up; the first Transformer and BERT were trained with one. That is a good
# reason to put the norm first, as many later models do. One task and one seed prove little: change the seed, the learning rate or the depth, and see which of this holds.

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
# With our default, a hidden width of $2k$, it is half and half:

# %%
k = 512
ours = TransformerBlock(embed_dim=k, num_heads=8)
weights = {name: sum(p.numel() for p in part.parameters() if p.ndim > 1) for name, part in ours.named_children()}
print(f"attention: {weights['attention']:,} = 4 k²: {weights['attention'] == 4 * k**2}")
print(f"MLP:       {weights['mlp']:,} = 4 k²: {weights['mlp'] == 4 * k**2}")

# %% tags=["form"]
feedback_box("04, section 7")

# %% [markdown]
# ## Summary
#
# - You built a Transformer block, in both orders, and it gives torch's numbers.
# - Attention moves information between words; the MLP makes new features of each word by itself, and holds most of the weights.
# - The residual path brings the gradient to the first layer; layer norm keeps every vector at one size.
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
