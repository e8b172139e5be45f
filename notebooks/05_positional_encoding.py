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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/05_positional_encoding.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/05_positional_encoding.ipynb)
#
# # 5. Where is each word? Positional encoding
#
# **After this lesson you can**
# - show that attention alone cannot tell “dog bites man” from “man bites dog”;
# - write the positional encoding of the Transformer, and say what its sines and cosines are for;
# - recognise the commonest mistake in adding positions, which raises no error;
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
DATA = os.environ.get("COURSE_DATA", "sample")  # this lesson needs no data: both settings do the same

# %% [markdown]
# The video tells the story of sections 1 to 3, if you would rather listen first.

# %%
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

x = embedding(torch.tensor([0, 1, 2]))[None]  # dog bites man: (b, t, k) = (1, 3, 32)
shuffled = x[:, [2, 1, 0]]  # man bites dog

# %% [markdown]
# **Predict first:** each word gets a new vector, mixed from the whole sentence. For which of the three words will this vector
# differ between the two sentences?

# %%
news = attention(shuffled)[0, [2, 1, 0]]  # back in the order dog, bites, man
positions.draw_two_orders(attention(x)[0], news, words, orders=["dog bites man", "man bites dog"])

# %% [markdown]
# For none. Each word comes out with the same vector, wherever it stands.
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


def largest_change(model: nn.Module) -> float:
    """How far the mean over the words moves, at most, when the words are shuffled."""
    with torch.no_grad():
        before = model(text).mean(dim=1)
        return max(float((model(text[:, order]).mean(dim=1) - before).abs().max()) for order in shuffles)


print("largest change in 20 shuffles below 0.000001:", largest_change(deep) < 1e-6)

# %% [markdown]
# Depth does not help. The MLP, the norms and the residual paths work on one word at a time, so they cannot see the order either.
#
# **Think! 5.1.** A recurrent network needs no positions. Why not? And a causal mask, under which each word may only look back: does
# attention then know the order?

# %% tags=["form"]
feedback_box("05, section 1")

# %% [markdown]
# ## 2. From counting in binary to smooth counters (7 minutes)
#
# So each word's vector must say where the word stands. How do you write “I am word 13” as a vector?
#
# - *As the number 13?* In a long text the numbers grow into the hundreds, and drown the word's own numbers, which are around 1.
# - *As a fraction, 13 of 40?* Then the step from one word to the next is a different one in each text.
#
# Computers write numbers in a fixed number of places, each 0 or 1. Here are 0 to 15, each in a column.

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

# %% tags=["form"]
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
# Each clock is slower than the one before by the same factor, as each bit was by 2. Few texts are long enough to bring the slowest ones round.
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


# %% tags=["exercise"]
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
        angles = ...  # (max_len, ceil(k / 2))
        encoding = torch.zeros(max_len, embed_dim)
        encoding[:, 0::2] = ...
        encoding[:, 1::2] = ...  # (max_len, floor(k / 2)): one column less, where k is odd
        self.register_buffer("encoding", encoding, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, k) gives (b, t, k); t may be at most max_len."""
        t, max_len = x.shape[1], len(self.encoding)
        if t > max_len:
            raise ValueError(f"A text of {t} tokens is longer than max_len={max_len}: cut it, or make max_len larger.")
        x = ...  # (b, t, k)
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

# %% tags=["form"]
media.what_you_should_see("05_positional_encoding_1")

# %% [markdown]
# Each row is one position; columns 0 and 1 are the fastest clock. On the right nothing seems to move: in 64 words the slowest clock turns by
# about a hundredth of a radian. There the sine is near 0, the cosine near 1: hence the stripes. In a longer text these clocks would move as well.

# %% tags=["form"]
feedback_box("05, section 3")

# %% [markdown]
# ## 4. Now it can tell (8 minutes)
#
# The two sentences of section 1 once more, now with positions.
#
# **Predict first:** `bites` stands in the middle of both sentences. Will its vector be the same in both?

# %%
news = attention(positional(shuffled))[0, [2, 1, 0]]
positions.draw_two_orders(attention(positional(x))[0], news, words, orders=["dog bites man", "man bites dog"])

# %% [markdown]
# All three words differ, `bites` too, because the words around it carry other positions. And the mean of six blocks, which did not move before?

# %%
with_positions = nn.Sequential(positional, deep)
print("largest change in 20 shuffles below 0.000001:", largest_change(with_positions) < 1e-6)
print("                                  above 0.01:", largest_change(with_positions) > 0.01)

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
    for step in range(200):
        lines, labels = random_lines(64, t=8)
        logits = model(lines)
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
        right[step] = (logits.argmax(dim=1) == labels).float().mean()
    return model, right


# %% [markdown]
# **Predict first:** what share of right answers will the model without positions reach?

# %%
_, without = train_on_order(nn.Identity())
fixed_model, fixed = train_on_order(PositionalEncoding(32, dropout=0.0))

tens = torch.arange(5, 200, 10)  # the mean of each ten batches, drawn in their middle
plots.curves(
    tens,
    {"without positions": without.view(20, 10).mean(dim=1), "with yours": fixed.view(20, 10).mean(dim=1)},
    title="Without positions the model can only guess",
    xlabel="batches",
    ylabel="right answers",
)

# %%
print("without positions, last 50 batches below 0.55:", bool(without[-50:].mean() < 0.55))
print("   with positions, last 50 batches above 0.95:", bool(fixed[-50:].mean() > 0.95))

# %% tags=["form"]
feedback_box("05, section 4")

# %% [markdown]
# ## 5. A mistake that raises no error (5 minutes)
#
# Some code, torch's older examples among it, puts the words on the *first* axis: (t, b, k). There, a layer adds `encoding[:x.shape[0]]`, a row for each word.
# Copy that line into a model whose first axis is the batch, and it adds a row for each **text**. The shapes broadcast, the loss falls, and nobody complains.
#
# You can make the mistake on purpose: swap the two axes, add, and swap them back.


# %%
class ByPlaceInBatch(nn.Module):
    """The mistake: each text, not each word, gets the encoding of its place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return positional(x.transpose(0, 1).contiguous()).transpose(0, 1)


mistake = ByPlaceInBatch()
zeros = torch.zeros(4, 10, 32)  # 4 texts of 10 words: what is added to them?
figure, axes = plots.panels(1, 2, width=9.5, height=2.9, sharey=True)
for ax, layer, title in (
    (axes[0, 0], positional, "Yours: by place in the text"),
    (axes[0, 1], mistake, "The mistake: by place in the batch"),
):
    plots.heatmap(layer(zeros)[:, :, 0], title=title, xlabel="word", ylabel="text", ax=ax, vmin=-1, vmax=1)
figure

# %% [markdown]
# The picture shows place 0 of the vectors. Under the mistake all words of a text get the same number, so the order is as invisible as before. And the same sentence, twice in a batch, gets two
# different numbers.
#
# **Predict first:** for each of the four lines below, true or false?

# %%
twice = torch.cat([x, x])  # a batch of two equal sentences
for name, layer in (("yours", positional), ("the mistake", mistake)):
    first, second = attention(layer(twice))
    print(f"{name:>11}: equal sentences give equal outputs:", torch.allclose(first, second, atol=1e-6))
    print(f"{name:>11}: shuffling changes the mean:", largest_change(nn.Sequential(layer, deep)) > 1e-6)

# %% [markdown]
# **Think! 5.2.** What does a model with this mistake predict for a text, if the texts beside it in the batch are put in another order? How would you have found the mistake, if
# nobody had told you?

# %% tags=["form"]
feedback_box("05, section 5")

# %% [markdown]
# ## 6. What the numbers know (10 minutes)
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
# against the distance, must then lie on top of each other.

# %%
distances = torch.arange(-16, 17)
figure = plots.curves(
    distances,
    {f"position {place}": similarity[place, place + distances] for place in (16, 30, 45)},
    title="Three positions, one curve: near ones are alike",
    xlabel="distance to the other position",
    ylabel="dot product",
)
for line, width in zip(figure.axes[0].get_lines(), (9, 5, 1.5), strict=True):
    line.set_linewidth(width)  # or the last would hide the others
figure

# %%
spread = max(float(similarity.diagonal(n).max() - similarity.diagonal(n).min()) for n in range(64))
print("all dot products at one distance agree to 0.0001:", spread < 1e-4)

# %% [markdown]
# The clocks tell why. Go $n$ words on, and each hand turns by an angle that depends on $n$ and on the clock's speed, and **not on where you started**:

# %%
positions.draw_position(encoding, position=10, steps=5)

# %% [markdown]
# In numbers: to turn a hand by the angle $a = n / 10000^{2i/k}$ is a **rotation**, the same for all positions.
#
# $$\sin(b + a) = \sin b \cos a + \cos b \sin a \qquad \cos(b + a) = \cos b \cos a - \sin b \sin a$$
#
# A rotation is a matrix, and a matrix is something that a layer can learn. So “look at the word five places back” is within the reach of one head.

# %%
n = 5
a = n / 10000 ** (torch.arange(0, 32, 2, dtype=torch.float64) / 32)  # each clock's turn in n words: (16,)
sine, cosine = encoding[:, 0::2], encoding[:, 1::2]  # where the hands of each position point: (64, 16) each
turned = torch.stack([sine * a.cos() + cosine * a.sin(), cosine * a.cos() - sine * a.sin()], dim=2)
turned = turned.reshape(64, 32)  # sine, cosine, sine, cosine ...

difference = (turned[:-n] - encoding[n:]).abs().max()
print(f"position p, its hands turned, is position p + {n}, for every p, to 0.000001:", bool(difference < 1e-6))

# %% [markdown]
# Pick positions yourself. Keep the steps and move the position: the angle between the two hands of a clock stays, and so does the dot product.

# %%
positions.position_picker(encoding)

# %% [markdown]
# **Think! 5.3.** The encoding is *added* to the word's vector. Now word and position share the same numbers: how can a layer keep them apart? Why not put the position
# into places of its own?

# %% tags=["form"]
feedback_box("05, section 6")

# %% [markdown]
# ## 7. Fixed or learned? (7 minutes)
#
# Nobody says that positions must be sines. Give each position a vector of its own, random at first, and **learn** it like a word's (Gehring et al. 2017). BERT and GPT-2 do so.


# %%
class LearnedPositions(nn.Module):
    """Adds to each token's vector a learned vector for its position."""

    def __init__(self, embed_dim: int, max_len: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(max_len, embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.vectors(torch.arange(x.shape[1], device=x.device))  # (b, t, k) + (t, k)


learned_model, learned = train_on_order(LearnedPositions(32, max_len=64))
print("learned positions, last 50 batches above 0.95:", bool(learned[-50:].mean() > 0.95))

# %% [markdown]
# On lines of 8 letters they do as well as the sines. What do learned positions look like? Here are those of a pretrained model, from the same family as BERT (lesson 8 tells
# more about it), beside sines of the same width.
#
# **Predict first:** will neighbouring positions be alike here too? Nobody asked for it.

# %%
from helpers.pretrained import load_encoder

encoder = load_encoder()
pretrained_positions = encoder.embeddings.position_embeddings.weight.detach()[:64]  # (64, 384)
sines = PositionalEncoding(384, dropout=0.0)(torch.zeros(1, 64, 384))[0]

figure, axes = plots.panels(1, 2, width=10, height=4.2)
for ax, table, title in ((axes[0, 0], pretrained_positions, "Learned"), (axes[0, 1], sines, "Fixed")):
    unit = nn.functional.normalize(table, dim=1)
    around = {"xlabel": "position", "ylabel": "position", "colour_label": "cosine"}
    plots.heatmap(unit @ unit.T, title=f"{title}: neighbours are alike", ax=ax, **around)
figure

# %% [markdown]
# They came out alike on their own, because language is local. (Position 0 is special: a marker stands there, never a word.)
#
# Now the weak spot. Both models were trained on lines of 8 letters. **Predict first:** how will they do on lines of 4, of 16 and of 32?

# %%
torch.manual_seed(2021)
lengths = [4, 6, 8, 12, 16, 24, 32]
right: dict[str, list[float]] = {"fixed": [], "learned": []}
for length in lengths:
    lines, labels = random_lines(1000, length)
    for name, model in (("fixed", fixed_model), ("learned", learned_model)):
        with torch.no_grad():
            right[name].append(float((model(lines).argmax(dim=1) == labels).float().mean()))

title = "Neither goes far beyond the 8 letters that it trained on"
figure = plots.curves(lengths, right, title=title, xlabel="letters in a line", ylabel="right answers")
figure.axes[0].axvline(8, color="0.6", linestyle="--")
figure.axes[0].axhline(0.5, color="0.6", linestyle=":")
figure

# %% [markdown]
# Learned positions beyond the eighth were never trained: they are still random. The sines are *defined* for every position, and their authors hoped
# that models would cope with longer texts; but here the layers above have never seen these angles, and soon they guess as well.
# And both end at `max_len`:

# %%
try:
    positional(torch.zeros(1, 65, 32))
except ValueError as error:
    print(error)

# %% [markdown]
# | | fixed (sines) | learned |
# |---|---|---|
# | to train | nothing | max_len × k numbers |
# | beyond the longest training text | defined, yet unfamiliar | never trained |
# | distance of two positions | built in | found, given enough data |
#
# Vaswani et al. tried both and found almost no difference. Many models of today turn the queries and keys themselves by
# the angles of section 6 (*rotary* positions, Su et al. 2021): the rotation without the addition.

# %% tags=["form"]
feedback_box("05, section 7")

# %% [markdown]
# ## 8. How much does word order matter? (10 minutes, optional)
#
# The pretrained model of section 7 turns a sentence into one vector, so that sentences with similar meaning get similar vectors.
# Let us shuffle sentences, and see how far their vectors move.

# %%
from helpers.pretrained import load_tokenizer

tokenizer = load_tokenizer()


def sentence_vectors(sentences: list[str], model: nn.Module) -> torch.Tensor:
    """The mean of each sentence's token vectors, scaled to length 1: (b, k)."""
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        tokens = model(**batch).last_hidden_state  # (b, t, k)
    is_token = batch["attention_mask"][:, :, None]  # padding takes no part
    return nn.functional.normalize((tokens * is_token).sum(dim=1), dim=1)


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
around = {"xlabel": "mean cosine", "xlim": (-0.25, 1.25)}
plots.bars(sentences, to_others, title="With the other sentences", ax=axes[0, 0], **around)
plots.bars(sentences, to_shuffles, title="With its own shuffles", ax=axes[0, 1], **around)
axes[0, 1].set_yticklabels([])
figure

# %% [markdown]
# The words alone carry most of the meaning: for this model, a shuffled sentence still means nearly the same. Sinha et al. (2021) went further: they *pretrained* a model on
# sentences with shuffled words, and after fine-tuning it did almost as well as its twin on many tasks. Few of the tasks that we test models with need word order!
#
# “Nearly” is all that positions contribute here. Take the position vectors out of the model, and nothing is left of it:

# %%
import copy

blind = copy.deepcopy(encoder)
blind.embeddings.position_embeddings.weight.data.zero_()

pair = ["the dog bites the man", "the man bites the dog"]
for name, model in (("with positions", encoder), ("without", blind)):
    first, second = sentence_vectors(pair, model)
    print(f"{name:>14}: the two sentences get the same vector:", bool((first - second).abs().max() < 1e-6))

# %% [markdown]
# **Think! 5.4.** For which tasks would you expect the order of words to matter most? Write down two sentences with the same words and opposite meanings, and look at their cosine.

# %% tags=["form"]
feedback_box("05, section 8")

# %% [markdown]
# ## Summary
#
# - Attention is blind to order: shuffle the words, and the outputs are shuffled in the same way, at any depth.
# - A position is written as the hands of many clocks, fast ones and slow ones: sines in the even places, cosines in the odd.
# - You wrote `PositionalEncoding`, which adds by place in the text. By place in the batch is a mistake that no error message reveals.
# - The dot product of two positions depends on their distance; going `n` words on is a rotation.
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
