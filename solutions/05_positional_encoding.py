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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/05_positional_encoding.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/05_positional_encoding.ipynb)
#
# # 5. Where is each word? Positional encoding
#
# **After this lesson you can**
# - show that attention alone cannot tell “dog bites man” from “man bites dog”;
# - write the positional encoding of the Transformer, and say what its sines and cosines are for;
# - recognise the commonest mistake in adding positions, which often raises no error;
# - compare fixed positions with learned ones, and say what neither can do.
#
# **Time:** 70 minutes; the core path (sections 1 to 7) takes 60.
# **Before:** [lesson 3](03_many_heads.ipynb) and [lesson 4](04_transformer_block.ipynb), whose layers are used here.

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
from tqdm.auto import tqdm

from helpers import checks, media, plots
from helpers.demos import positions
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import SelfAttention, TransformerBlock
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # sections 7 and 8 open a small encoder, with "full" BERT-base
MODEL = "google-bert/bert-base-uncased" if DATA == "full" else None

# %% [markdown]
# The video tells the story of sections 1 to 3, if you would rather listen first.

# %% tags=["nbval-ignore-output"]
media.video("jLBunbvvwwQ", "BV1vb4y167N7", title="Positional encoding")

# %% [markdown]
# ## 1. Shuffle the words (8 minutes)
#
# “Dog bites man” is no news. “Man bites dog” is. The words are the same; only their order tells who bites whom.
#
# Give each word a vector, and put the self-attention layer of lesson 3 on top. Nothing is trained here: what you are about to see holds for any weights.

# %%
words = ["dog", "bites", "man"]
embedding = nn.Embedding(3, 32)
attention = SelfAttention(32, num_heads=4).eval()  # eval: no dropout, so the same input gives the same output

x = 2 * embedding(torch.tensor([0, 1, 2]))[None]  # dog bites man: (b, t, k) = (1, 3, 32); times 2, to see more
shuffled = x[:, [2, 1, 0]]  # man bites dog

# %% [markdown]
# **Predict first:** each word gets a new vector, mixed from the whole sentence. For which of the three words will this vector
# differ between the two sentences?

# %%
man_first = attention(shuffled)[0, [2, 1, 0]]  # back in the order dog, bites, man
positions.draw_two_orders(attention(x)[0], man_first, words, orders=["dog bites man", "man bites dog"])

# %% [markdown]
# For none. Each word comes out with the same vector, wherever it stands: the two rows of each pair are equal.
#
# Look at the formula again: a query scores *every* key, and the weighted values are **added up**. A sum does not
# depend on the order of its terms. So if you shuffle the words that go in, the vectors that come out are shuffled in the same way, and
# nothing else happens. The name for this is **permutation equivariant**.
#
# Perhaps a deeper model can tell? Let us put six blocks of lesson 4 on top of each other, feed them a long text of random vectors, and take the mean over the
# words, as a classifier would.

# %%
deep = nn.Sequential(*[TransformerBlock(32, num_heads=4) for _ in range(6)]).eval()
text = torch.randn(1, 40, 32)  # a text of 40 words
shuffles = [torch.randperm(40) for _ in range(20)]


def largest_change(model: nn.Module, texts: list[torch.Tensor]) -> float:
    """How far the mean over the words moves, at most, when `text` is replaced by one of these."""
    with torch.no_grad():
        before = model(text).mean(dim=1)
        return max(float((model(other).mean(dim=1) - before).abs().max()) for other in texts)


shuffled_texts = [text[:, order] for order in shuffles]
print(f"20 shuffles of the text move the mean by at most {largest_change(deep, shuffled_texts):.5f}")
print(f"another text moves it by {largest_change(deep, [torch.randn(1, 40, 32)]):.2f}")

# %% [markdown]
# Depth does not help. The MLP, the norms and the residual paths work on one word at a time, so they cannot see the order either.
#
# **Think! 5.1.** A recurrent network needs no positions. Why not? And a causal mask, under which each word may only look back: does
# attention then know the order?

# %% [markdown] tags=["answer"]
# **One answer.** A recurrent network reads one word after the other, and its state after “dog bites” is not its state after “bites dog”: order is built
# into the computation. That is also why it cannot work on all words at once.
#
# With a causal mask, the first word sees one word, the second sees two, and so on. “man” at the end sees “dog”; at the start it does not. So the outputs *do*
# depend on the order, and language models with a causal mask can learn to count from it. Most of them get positions all the same: why should a layer spend
# its capacity on counting? You meet the causal mask in lesson 6.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 1")

# %% [markdown]
# ## 2. From counting in binary to smooth counters (7 minutes)
#
# So each word's vector must say where the word stands. How do you write “I am word 13” as a vector?
#
# - *As the number 13?* In a long text the numbers grow into the hundreds, and drown the word's own numbers, which are around 1.
# - *As a fraction, 13 of 40?* Then the step from one word to the next has another size in each text.
#
# Computers write numbers in binary: a fixed number of places, each 0 or 1. Here are 0 to 15, each in a column.

# %%
bits = torch.tensor([[number >> bit & 1 for number in range(16)] for bit in range(4)])
plots.heatmap(
    bits,
    [f"every {2 ** (bit + 1)}" for bit in range(4)],
    [str(number) for number in range(16)],
    title="Binary: each bit runs at half the speed of the one above",
    xlabel="position",
    ylabel="bit repeats",
)

# %% [markdown]
# That is the right idea: **fast counters and slow counters**. The fast ones tell neighbours apart, the slow ones tell the beginning from the
# end, no number exceeds 1, and no two positions are alike.
#
# But bits jump. From 7 to 8 all four flip, from 8 to 9 only one: two steps of the same size look very different.
#
# **Predict first:** how would you make the jumping counters smooth?

# %%
positions.draw_smooth_counters()

# %% [markdown]
# Put a wave in place of each bit. A **sine** alone is ambiguous: on the way up and on the way down it takes the same values. Together with
# a **cosine** it is not: the two say where the tip of a **clock's hand** is, and the hand goes round once in each period.
#
# So a position becomes the hands of many clocks, from a fast one to a very slow one: like the second, the minute and the hour hand, which
# together tell the time.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 2")

# %% [markdown]
# ## 3. Write it yourself (15 minutes)
#
# In a model of width $k$, a position $p$ = 0, 1, 2, … sets the hands of $k/2$ clocks. Clock $i$ takes two places in the vector, the even place $2i$ and the odd place
# $2i + 1$ (Vaswani et al. 2017):
#
# $$\text{PE}(p, 2i) = \sin\left(\frac{p}{10000^{2i/k}}\right) \qquad \text{PE}(p, 2i + 1) = \cos\left(\frac{p}{10000^{2i/k}}\right)$$
#
# **Predict first:** the first clock goes once round in $2\pi \approx 6.3$ words. How long does the slowest take, in a model of width 32?

# %%
positions.draw_periods(32)

# %% [markdown]
# Each clock is slower than the one before by the same factor, as each bit was by 2; here the factor is $10000^{2/32} \approx 1.8$. The slowest
# takes about 35,000 words. Few texts are long enough to bring it round once.
#
# ### Exercise 5: positional encoding
#
# The encoding is **added** to the words' vectors; dropout comes last.
#
# Fill in four blanks (`...`):
#
# 1. `angles`: how far each clock has turned at each position;
# 2. and 3. `encoding`: sines into the even places, cosines into the odd ones;
# 4. `x`: to each word's vector, add the encoding of its place *in its text*.
#
# Written for you: texts that are too long, and keeping the table as a **buffer** (it moves to the GPU with the layer, but is not trained).
# If the width is odd, there is one sine more than there are cosines.
#
# <details><summary>Hint 1</summary>
#
# `position` is a column (max_len, 1) and `even` a row (ceil(k / 2),). Divide one by the other, and broadcasting makes the whole table. `even` holds 0, 2, 4, …: that is $2i$ already.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `encoding[:, 0::2]` is every second column, from 0 on; with an odd width it has one column more than `encoding[:, 1::2]`. And in `forward`: `x` is (b, t, k), so the rows that
# you add to it must be (t, k).
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 5: positional encoding
class PositionalEncoding(nn.Module):
    """Adds to each token's vector the encoding of its position in the text (Vaswani et al. 2017, section 3.5)."""

    encoding: torch.Tensor  # (max_len, k)

    def __init__(self, embed_dim: int, dropout: float = 0.1, max_len: int = 512) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        # In 64 bits: at position 500, a rounding error in a clock's speed counts 500 times.
        position = torch.arange(max_len, dtype=torch.float64)[:, None]  # (max_len, 1): 0, 1, 2 ...
        even = torch.arange(0, embed_dim, 2, dtype=torch.float64)  # (ceil(k / 2),): 0, 2, 4 ...
        # BEGIN SOLUTION
        # STUB: angles = ...  # (max_len, ceil(k / 2))
        angles = position / 10000 ** (even / embed_dim)  # (max_len, ceil(k / 2))
        # END SOLUTION
        encoding = torch.zeros(max_len, embed_dim)
        # BEGIN SOLUTION
        # STUB: encoding[:, 0::2] = ...
        # STUB: encoding[:, 1::2] = ...  # (max_len, floor(k / 2)): one column less, where k is odd
        encoding[:, 0::2] = torch.sin(angles)
        encoding[:, 1::2] = torch.cos(angles[:, : embed_dim // 2])
        # END SOLUTION
        self.register_buffer("encoding", encoding, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k); t may be at most max_len."""
        t, max_len = x.shape[1], len(self.encoding)
        if t > max_len:
            raise ValueError(f"A text of {t} tokens is longer than max_len={max_len}: cut it, or make max_len larger.")
        # BEGIN SOLUTION
        # STUB: x = ...  # (b, t, k)
        x = x + self.encoding[:t]  # (b, t, k)
        # END SOLUTION
        return self.dropout(x)


# %% tags=["check"]
checks.positional_encoding(PositionalEncoding)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import PositionalEncoding

# %% [markdown]
# Your layer at work. What it adds to zeros is the encoding itself: 64 positions, 32 places wide.
#
# **Predict first:** where in the picture will the colours change fast, and where hardly at all?

# %% tags=["expected-output"]
positional = PositionalEncoding(32, dropout=0.0, max_len=64)
encoding = positional(torch.zeros(1, 64, 32))[0]  # (t, k) = (64, 32)
plots.heatmap(
    encoding,
    title="Fast clocks on the left, slow ones on the right",
    xlabel="place in the vector",
    ylabel="position",
    colour_label="sine or cosine",
)

# %% [markdown]
# Each row is one position; columns 0 and 1 are the fastest clock. On the right nothing seems to move: in 64 words the slowest clock turns by
# about a hundredth of a radian. There the sine is near 0, the cosine near 1: hence the stripes. In a longer text these clocks would move as well.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 3")

# %% [markdown]
# ## 4. Now it can tell (8 minutes)
#
# The two sentences of section 1 once more, now with positions.
#
# **Predict first:** `bites` stands in the middle of both sentences. Will its vector be the same in both?

# %%
man_first = attention(positional(shuffled))[0, [2, 1, 0]]
positions.draw_two_orders(attention(positional(x))[0], man_first, words, orders=["dog bites man", "man bites dog"])

# %% [markdown]
# All three words differ, `bites` too, because the words around it carry other positions. And the mean of six blocks, which did not move before?

# %%
with_positions = nn.Sequential(positional, deep)
print(f"20 shuffles of the text move the mean by up to {largest_change(with_positions, shuffled_texts):.2f}")

# %% [markdown]
# To differ is not yet to understand. Can a model *learn* something from the order? Here is the smallest task that needs it: random letters, with
# one **a** and one **b** among them. Which of the two comes first?


# %%
def random_lines(n: int, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    """n lines (n, t) of t letters as numbers, with one 0 (a) and one 1 (b) in each; labels (n,): 1 where a comes first."""
    lines = torch.randint(2, 10, (n, t))
    places = torch.rand(n, t).argsort(dim=1)[:, :2]  # two different places in each line
    lines.scatter_(1, places, torch.tensor([[0, 1]]).expand(n, 2))
    return lines, (places[:, 0] < places[:, 1]).long()


lines, labels = random_lines(4, t=8)
for line, label in zip(lines.tolist(), labels.tolist(), strict=True):
    print(" ".join("abcdefghij"[letter] for letter in line), "->", "a first" if label else "b first")

# %% [markdown]
# The model: letters to vectors, positions (or nothing), one block, the mean over the letters, a linear layer. It trains on 200 batches of 64 lines.


# %%
class OrderModel(nn.Module):
    """Lines (b, t) of letters as numbers give the logits (b, 2) of b first, a first."""

    def __init__(self, position_layer: nn.Module) -> None:
        super().__init__()
        block = TransformerBlock(32, num_heads=4, dropout=0.0)
        self.layers = nn.Sequential(nn.Embedding(10, 32), position_layer, block)
        self.classifier = nn.Linear(32, 2)

    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.layers(lines).mean(dim=1))


# %%
def train_on_order(position_layer: nn.Module) -> tuple[OrderModel, torch.Tensor]:
    """Train on lines of 8 letters; gives the model and the share of right answers in each batch (200,)."""
    torch.manual_seed(2021)
    model = OrderModel(position_layer)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    right = torch.zeros(200)
    bar = tqdm(range(200), desc="training")
    for step in bar:
        lines, labels = random_lines(64, t=8)
        logits = model(lines)
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right[step] = (logits.argmax(dim=1) == labels).float().mean()
        bar.set_postfix_str(f"loss {loss.item():.2f}", refresh=False)
    return model, right


# %% [markdown]
# **Predict first:** what share of right answers will the model without positions reach?

# %% tags=["nbval-ignore-output"]
fixed_model, fixed = train_on_order(PositionalEncoding(32, dropout=0.0))
blind_model, blind = train_on_order(nn.Identity())

tens = torch.arange(5, 200, 10)  # the mean of each ten batches, drawn in their middle
plots.curves(
    tens,
    {"with yours": fixed.view(20, 10).mean(dim=1), "without positions": blind.view(20, 10).mean(dim=1)},
    title="Without positions the model can only guess",
    xlabel="batches",
    ylabel="right answers",
)

# %%
for name, right in (("with yours", fixed), ("without positions", blind)):
    print(f"{name:>17}: {right[-50:].mean():.1f} of the answers right in the last 50 batches")

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 4")

# %% [markdown]
# ## 5. A mistake that raises no error (7 minutes)
#
# Much published code, torch's older examples among it, puts the words on the *first* axis: (t, b, k). A layer for positions then looks like
# this. Its table has an axis for the batch, of size 1.


# %%
class WordsFirst(nn.Module):
    """Adds positions to x (t, b, k): words on the first axis, texts on the second."""

    def __init__(self, embed_dim: int, max_len: int) -> None:
        super().__init__()
        self.table = PositionalEncoding(embed_dim, max_len=max_len).encoding[:, None]  # (max_len, 1, k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table[: x.shape[0]]  # (t, b, k) + (t, 1, k): a row for each word


# %% [markdown]
# For (t, b, k) that is right. But in this course, and in most code of today, the batch comes first.
#
# **Predict first:** what happens if you hand it x of shape (b, t, k)?

# %%
mistake = WordsFirst(32, max_len=64)
zeros = torch.zeros(4, 10, 32)  # (b, t, k), 4 texts of 10 words: what is added to them?
figure, axes = plots.panels(1, 2, width=9.5, height=2.9, sharey=True)
for ax, layer, title in (
    (axes[0, 0], positional, "Yours: by place in the text"),
    (axes[0, 1], mistake, "The mistake: by place in the batch"),
):
    plots.heatmap(layer(zeros)[:, :, 0], title=title, xlabel="word", ylabel="text", ax=ax, vmin=-1, vmax=1)
figure

# %% [markdown]
# No error: (4, 10, k) and (4, 1, k) fit together. The picture shows place 0 of the vectors. Every word of a text gets the same number, the one of
# its text's place in the batch, so the order is as invisible as before, and no message tells you.
#
# Yours has no such axis: its table is (max_len, k). **Predict first:** say you had written `self.encoding[: x.shape[0]]` there. For which of
# these three batches would you have got an error?

# %%
for b, t in ((4, 10), (10, 10), (1, 10)):
    x_zero = torch.zeros(b, t, 32)
    try:
        same = torch.equal(x_zero + positional.encoding[: x_zero.shape[0]], positional(x_zero))
        print(f"{b:>2} texts of {t} words: no error;", "right by luck" if same else "every word gets position 0")
    except RuntimeError as error:
        print(f"{b:>2} texts of {t} words: {error}")

# %% [markdown]
# The error is a piece of luck: it tells you. The batch of one text would have passed in silence.
#
# So here are two tests that need no right answer to compare with. Two equal sentences in one batch must give equal outputs; shuffled words must
# give another mean.
#
# **Predict first:** which of the four numbers below will be 0?

# %%
twice = torch.cat([x, x])  # a batch of two equal sentences
for name, layer in (("yours", positional), ("words first", mistake)):
    first, second = attention(layer(twice))
    moved = largest_change(nn.Sequential(layer, deep), shuffled_texts)
    apart = (first - second).abs().max()
    print(f"{name:>11}: equal sentences differ by {apart:.2f}, shuffles move the mean by {moved:.2f}")

# %% [markdown]
# **Think! 5.2.** What does a model with this mistake predict for a text, if the texts beside it in the batch are put in another order? How would you have found the mistake, if
# nobody had told you?

# %% [markdown] tags=["answer"]
# **One answer.** A different one each time: the prediction depends on the text's place in the batch, which means nothing. In training this is noise; in use, the same
# review gets one rating alone and another as number 17 of 32.
#
# You find it by testing what must not matter and what must, as in the cell above: three lines each. Drawing what a layer adds to zeros shows it too.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 5")

# %% [markdown]
# ## 6. What the numbers know (11 minutes)
#
# Attention compares vectors by dot products. So what does the dot product of two *positions* say?
#
# **Predict first:** the picture below holds the dot product of every position with every other. What pattern do you expect?

# %%
similarity = encoding @ encoding.T  # (64, 64)
plots.heatmap(
    similarity,
    title="Each diagonal has one colour",
    xlabel="position",
    ylabel="position",
    colour_label="dot product",
)

# %% [markdown]
# The same number all along a diagonal: the dot product depends on the **distance** of two positions, not on where they are. Three rows of this matrix, drawn
# against the distance, must then give the same points.

# %%
distances = torch.arange(-16, 17)
figure, axes = plots.panels(width=7.5, height=3.6)
axis = axes[0, 0]
for place, style, size in ((16, "-", 0), (30, "o", 8), (45, "x", 6)):
    row = similarity[place, place + distances]
    axis.plot(distances, row, style, markersize=size, markerfacecolor="none", label=f"position {place}")
axis.set(title="Three positions, one curve: near ones are alike")
axis.set(xlabel="distance to the other position", ylabel="dot product")
axis.legend()
figure

# %%
spread = max(float(similarity.diagonal(n).max() - similarity.diagonal(n).min()) for n in range(64))
print(f"dot products at the same distance differ by at most {spread:.4f}")
print(f"dot products at all distances differ by up to {similarity.max() - similarity.min():.1f}")

# %% [markdown]
# The clocks tell why. Go $n$ words on, and each hand turns by an angle that depends on $n$ and on the clock's speed, and **not on where you started**:

# %%
positions.draw_position(encoding, position=10, steps=5)

# %% [markdown]
# In numbers: to turn a hand by the angle $a = n / 10000^{2i/k}$ is a **rotation**, the same for all positions.
#
# $$\sin(b + a) = \sin b \cos a + \cos b \sin a \qquad \cos(b + a) = \cos b \cos a - \sin b \sin a$$
#
# For each clock that is a matrix of 2 × 2; for all clocks, one matrix with such blocks along its diagonal. Here it is for five steps *back*:

# %%
turns = -5 / 10000 ** (torch.arange(0, 32, 2) / 32)  # each clock's turn, five words back: (16,)
blocks = [torch.tensor([[a.cos(), a.sin()], [-a.sin(), a.cos()]]) for a in turns]
rotation = torch.block_diag(*blocks)  # (k, k) = (32, 32)

turned = encoding @ rotation.T  # all hands of all positions, turned back: (64, 32)
apart = (turned[5:] - encoding[:-5]).abs().max()
print(f"position p, its hands turned back, and position p - 5 differ by at most {apart:.5f}")

# %% [markdown]
# What is that good for? In lesson 3, a query is a matrix times the word's vector, `to_queries`, and a key is another one. Let `to_queries` turn the hands
# five steps back, and let `to_keys` leave them as they are. The query of word 20 is then the encoding of position 15, and a position is most like itself.
#
# **Predict first:** where will the attention of each word fall?

# %%
queries, keys = turned, encoding
weights = torch.softmax(queries @ keys.T, dim=-1)  # (64, 64)
plots.heatmap(
    weights[:24, :24],
    title="One matrix, and each word looks five places back",
    xlabel="key: position",
    ylabel="query: position",
    colour_label="weight",
)

# %% [markdown]
# Five places back, from wherever it stands (the first five words have nobody there). A matrix is what a head learns, so this is within its reach.
#
# Pick positions yourself. Keep the steps and move the position: the angle between the two hands of a clock stays, and so does the dot product.

# %% tags=["nbval-ignore-output"]
positions.position_picker(encoding)

# %% [markdown]
# **Think! 5.3.** The encoding is *added* to the word's vector. Now word and position share the same numbers: how can a layer keep them apart? Why not put the position
# into places of its own?

# %% [markdown] tags=["answer"]
# **One answer.** Places of its own would work, and cost width that the words could use. Adding can do the same: if the word vectors learn to stay out of some places (or,
# more generally, some directions), the sum *is* a vector with places of its own, and training decides how much room each one gets. In the picture of section 3 the right half hardly changes in short texts:
# there is room for the words. And a vector of many numbers has plenty: two directions drawn at random are almost at right angles.
#
# For this to work, neither may drown the other. The encoding's numbers lie between -1 and 1; lessons 6 and 7 give the word vectors numbers of about that size.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 6")

# %% [markdown]
# ## 7. Fixed or learned? (8 minutes)
#
# Positions need not be sines. Give each position a vector of its own, random at first, and **learn** it like a word's (Gehring et al. 2017). BERT and GPT-2 do so.


# %%
class LearnedPositions(nn.Module):
    """Adds to each token's vector a learned vector for its position."""

    def __init__(self, embed_dim: int, max_len: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(max_len, embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.vectors(torch.arange(x.shape[1], device=x.device))  # (b, t, k) + (t, k)


# %% tags=["nbval-ignore-output"]
learned_model, learned = train_on_order(LearnedPositions(32, max_len=64))

# %%
print(f"learned positions: {learned[-50:].mean():.1f} of the answers right in the last 50 batches")

# %% [markdown]
# On lines of 8 letters they do as well as the sines. What do learned positions look like? Here are those of a pretrained model, from the same family as BERT (lesson 8 tells
# more about it), beside sines of the same width.
#
# **Predict first:** will neighbouring positions be alike here too? Nothing in the training asked for it.

# %%
from helpers.pretrained import load_encoder

encoder = load_encoder(MODEL)
pretrained_positions = encoder.embeddings.position_embeddings.weight.detach()[:64]  # (64, 384)
width = pretrained_positions.shape[1]
sines = PositionalEncoding(width, dropout=0.0)(torch.zeros(1, 64, width))[0]

figure, axes = plots.panels(1, 2, width=10, height=4.2)
for ax, table, title in ((axes[0, 0], pretrained_positions, "Learned"), (axes[0, 1], sines, "Fixed")):
    unit = nn.functional.normalize(table, dim=1)
    around = {"xlabel": "position", "ylabel": "position", "colour_label": "cosine", "vmin": -0.2, "vmax": 1}
    plots.heatmap(unit @ unit.T, title=f"{title}: neighbours are alike", ax=ax, **around)
figure

# %% [markdown]
# They came out alike without being told: in a text, what matters to a word mostly stands nearby. There are even waves, like those of section 6. (Position 0 is unlike all others: a marker
# stands there, never a word.)
#
# Now the weak spot. Both models were trained on lines of 8 letters. **Predict first:** how will they do on lines of 4, of 16 and of 32?

# %%
torch.manual_seed(2021)
lengths = [4, 6, 8, 12, 16, 24, 32]
models = {"fixed": fixed_model, "without positions": blind_model, "learned": learned_model}
right: dict[str, list[float]] = {name: [] for name in models}
for length in lengths:
    lines, labels = random_lines(1000, length)
    for name, model in models.items():
        with torch.no_grad():
            right[name].append(float((model(lines).argmax(dim=1) == labels).float().mean()))

title = "Neither goes far beyond the 8 letters that it trained on"
figure = plots.curves(lengths, right, title=title, xlabel="letters in a line", ylabel="right answers")
figure.axes[0].axvline(8, color="0.6", linestyle="--")
figure

# %% [markdown]
# Learned positions beyond the eighth were never trained: they are still random. The sines are *defined* for every position, and their authors hoped
# that models would cope with longer texts. But look at 24 letters: there the fixed model is *worse* than a coin. So it does not guess. What does it do?
#
# Put the **a** into each of 24 places and the **b** into each other one, and look at the answers. Right would be: yellow above the diagonal, blue below.

# %%
places = torch.tensor([(a, b) for a in range(24) for b in range(24) if a != b])  # (552, 2)
lines = torch.randint(2, 10, (10, len(places), 24))  # 10 lines for each pair of places
lines = lines.scatter(2, places.expand(10, -1, -1), torch.tensor([0, 1]).expand(10, len(places), 2)).flatten(0, 1)

figure, axes = plots.panels(1, 2, width=10, height=4.4)
for ax, name in zip(axes[0], ("fixed", "learned"), strict=True):
    model = models[name]
    with torch.no_grad():
        says_a = model(lines).argmax(dim=1).view(10, -1).float().mean(dim=0)  # (552,)
    shares = torch.full((24, 24), float("nan"))
    shares[places[:, 0], places[:, 1]] = says_a
    around = {"xlabel": "place of b", "ylabel": "place of a", "colour_label": "answers “a first”", "vmin": 0, "vmax": 1}
    plots.heatmap(shares, title=f"{name}: right in its corner of 8 × 8", ax=ax, **around)
    ax.plot([-0.5, 7.5, 7.5], [7.5, 7.5, -0.5], color="white", linewidth=2)  # what it trained on
figure

# %% [markdown]
# In the corner where it trained, each is right. Outside, neither guesses: most answers are firm, the same in all ten lines, and right less often
# than a coin's. The fixed model takes the hands of place 12, which it has never seen, for those of a place before 6. To the learned one, the random
# vector of place 13 happens to look late and that of place 8 early, wherever the other letter stands or nearly so: hence the stripes.
#
# And both kinds end at `max_len`:

# %%
try:
    positional(torch.zeros(1, 65, 32))
except ValueError as error:
    print(error)

# %% [markdown]
# | | fixed (sines) | learned |
# |---|---|---|
# | to train | nothing | max_len × k numbers |
# | beyond the longest training text | defined, but the layers above misread them | never trained |
# | distance of two positions | built in | found, given enough data |
#
# Vaswani et al. tried both and found almost no difference. Many models of today turn the queries and keys themselves by
# the angles of section 6 (*rotary* positions, Su et al. 2021): the rotation without the addition.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 7")

# %% [markdown]
# ## 8. How much does word order matter? (10 minutes, optional)
#
# The pretrained model of section 7 turns a sentence into one vector, so that sentences with similar meaning get similar vectors.
# Let us shuffle sentences, and see how far their vectors move.

# %%
from helpers.pretrained import load_tokenizer

tokenizer = load_tokenizer(MODEL)


def sentence_vectors(sentences: list[str], model: nn.Module) -> torch.Tensor:
    """The mean of each sentence's token vectors, scaled to length 1: (b, k)."""
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        tokens = model(**batch).last_hidden_state  # (b, t, k)
    is_token = batch["attention_mask"][:, :, None]  # padding takes no part
    return nn.functional.normalize((tokens * is_token).sum(dim=1), dim=1)  # of length 1, so a sum does for a mean


sentences = [
    "she poured the hot coffee into a small blue cup",
    "the committee will vote on the new budget next week",
    "my brother fixed the old car that our neighbour had sold him",
    "not one of the players was happy about the early start",
    "heavy rain closed the road between the two villages",
    "the dog bites the man",
]

# %% [markdown]
# **Predict first:** the cosine of a sentence with another one will be near 0, and with itself it is 1. Where between the two do you expect a sentence and its own
# words in random order?

# %%
vectors = sentence_vectors(sentences, encoder)
generator = torch.Generator().manual_seed(2021)


def shuffled_words(sentence: str) -> str:
    words = sentence.split()
    return " ".join(words[i] for i in torch.randperm(len(words), generator=generator))


to_others = (vectors @ vectors.T - torch.eye(6)).sum(dim=1) / 5  # the mean cosine with the five others
to_shuffles = torch.zeros(6)  # the mean cosine with twenty shuffles
for i, sentence in enumerate(sentences):
    to_shuffles[i] = (sentence_vectors([shuffled_words(sentence) for _ in range(20)], encoder) @ vectors[i]).mean()

figure, axes = plots.panels(1, 2, width=11, height=3.2)
around = {"xlabel": "mean cosine", "xlim": (-0.25, 1.15)}
plots.bars(sentences, to_others, title="With the other sentences", ax=axes[0, 0], **around)
plots.bars(sentences, to_shuffles, title="With its own shuffles", ax=axes[0, 1], **around)
axes[0, 1].set_yticklabels([])
figure

# %% [markdown]
# The words alone carry most of the meaning: for this model, a shuffled sentence still means nearly the same. Sinha et al. (2021) went further: they *pretrained* a model on
# sentences with shuffled words, and after fine-tuning it did almost as well as its twin on many tasks. Few of the tasks that we test models with need word order!
#
# “Nearly”: the small rest is what the order adds. Take the position vectors out of the model, and the rest is gone:

# %%
import copy

without_positions = copy.deepcopy(encoder)
without_positions.embeddings.position_embeddings.weight.data.zero_()

pair = ["the dog bites the man", "the man bites the dog"]
for name, model in (("with positions", encoder), ("without", without_positions)):
    first, second = sentence_vectors(pair, model)
    print(f"{name:>14}: the cosine of the two sentences is {first @ second:.3f}")

# %% [markdown]
# **Think! 5.4.** For which tasks would you expect the order of words to matter most? Put two sentences with the same words and opposite meanings into `pair`, and look at their cosine.

# %% [markdown] tags=["answer"]
# **One answer.** Where the roles matter (who did what to whom), where a small word belongs to one part of the sentence (“not good, but long” and “good, but not long”), in grammar, in
# translation, and in writing text: a language model that ignores order writes word salad. Topics and star ratings can often be told from a bag of
# words; lesson 7 measures it. For “the film was not good, but long” and “the film was good, but not long” the cosine is 0.95: this model hardly minds.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("05, section 8")

# %% [markdown]
# ## Summary
#
# - Attention is blind to order: shuffle the words, and the outputs are shuffled in the same way, at any depth.
# - A position is written as the hands of many clocks, fast ones and slow ones: sines in the even places, cosines in the odd.
# - You wrote `PositionalEncoding`, which adds by place in the text. By place in the batch is a mistake that an error message reveals only if you are lucky.
# - The dot product of two positions depends on their distance; going `n` words on is a rotation, and one matrix makes a head look `n` words back.
# - Learned positions do as well. Neither kind carries a model far beyond the lengths it trained on.
#
# Next: in [lesson 6](06_decoding_and_generation.ipynb) the model writes.
#
# ## Where to read more
#
# - Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762), section 3.5.
# - Gehring et al. (2017), [Convolutional sequence to sequence learning](https://arxiv.org/abs/1705.03122): learned positions.
# - Sinha et al. (2021), [Masked language modeling and the distributional hypothesis](https://arxiv.org/abs/2104.06644): order matters less than you think.
# - Su et al. (2021), [RoFormer](https://arxiv.org/abs/2104.09864): rotary positions.
#
# The video and the order of ideas in sections 1 to 3 come from Neuromatch Academy's
# [W2D5 tutorial](https://deeplearning.neuromatch.io/tutorials/W2D5_AttentionAndTransformers/student/W2D5_Tutorial1.html) (CC BY 4.0).
# The words and the code are ours.

# %%
media.slides()
