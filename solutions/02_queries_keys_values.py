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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/02_queries_keys_values.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/02_queries_keys_values.ipynb)
#
# # 2. Queries, keys, values
#
# **After this lesson you can**
# - explain attention as a dictionary look-up that has gone soft;
# - say what a query, a key and a value are, with an example of your own;
# - write scaled dot-product attention in a few lines, for several heads and with a mask;
# - show why the scores are divided by the square root of the width, and why softmax subtracts its maximum.
#
# **Time:** 65 minutes; the core path (sections 1 to 4) takes 45.
# **Before:** [lesson 1](01_from_one_vector_to_alignment.ipynb) shows why a model should look back at all; you can start here all the same.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import math

import torch
from torch import nn

from helpers import checks, media, plots
from helpers.demos import bank, scale, soft_lookup
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.seeding import set_seed
from helpers.word_vectors import UnknownWord, load_word_vectors

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "sample" or "full": what section 6 trains on

# %% [markdown]
# The video tells the same story as sections 1 to 4, if you would rather listen first.

# %%
media.video("gDNRnjcoMOY", "BV1Bf4y157LQ", title="Queries, keys and values")

# %% [markdown]
# ## 1. A look-up that has gone soft (10 minutes)
#
# Here is a weather station's notebook: five times of day, and the temperature at each.
# A Python dictionary stores exactly this. You ask with a **query**; each entry has a **key**, which is compared with
# your query, and a **value**, which is what you get back.

# %%
temperatures = {6: 8.0, 9: 12.0, 12: 19.0, 15: 22.0, 18: 16.0}  # hour: degrees

temperatures[12]

# %% [markdown]
# The query `12` is equal to a key, so you get its value. And at ten o'clock?

# %%
try:
    temperatures[10]
except KeyError as error:
    print("no such key:", error)

# %% [markdown]
# A dictionary knows only *equal* and *not equal*. Two ways out:
#
# - **nearest**: take the value of the key that is closest to the query;
# - **weighted**: take all the values, each with a weight that is large where the key is close to the query.
#
# **Predict first:** both look-ups are drawn below for every hour from 6 to 18. Which one has jumps in it, and where? Say it
# aloud, then run the cell.

# %%
soft_lookup.draw_lookups(temperatures, sharpness=0.2)

# %% [markdown]
# The nearest look-up jumps halfway between two keys. The weighted one is smooth. It misses the dots a little, because the other values always have a
# say too. But smooth is what matters to us:
# a smooth function has a useful slope everywhere, so gradient descent can learn *what to look for*.
#
# Here is the weighted look-up at ten, step by step. A **score** says how well each key fits the query. **Softmax** turns scores into
# weights: all positive, their sum 1. The answer is the values' weighted average.

# %%
hours = torch.tensor(list(temperatures.keys()), dtype=torch.float32)  # the keys
degrees = torch.tensor(list(temperatures.values()))  # the values

query = 10.0
scores = -0.2 * (hours - query) ** 2  # 0 where a key equals the query, very negative far away
weights = torch.softmax(scores, dim=0)
answer = weights @ degrees

for hour, weight in zip(hours.tolist(), weights.tolist(), strict=True):
    print(f"{hour:4.0f} h   weight {weight:.3f}")
print(f"answer: {answer:.2f} degrees")

# %% [markdown]
# This is all that attention is: **score the keys against the query, softmax, average the values.**
# What remains is to choose a score. For words, we need keys that can be compared: vectors.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("02, section 1")

# %% [markdown]
# ## 2. Words as vectors (10 minutes)
#
# A **word vector** is a list of numbers (50 here) that stands for a word. Ours were learned with **skip-gram**
# (Mikolov et al. 2013): slide over a text, and nudge the vector of each word until it predicts the words around it. Words
# that keep the same company end up with similar vectors. The text was 452,221 words
# of American English printed in 1961, a part of the Brown corpus.

# %%
word_vectors = load_word_vectors()
print(f"{len(word_vectors):,} words, each a vector of {word_vectors.vectors.shape[1]} numbers")
word_vectors["river"].round(2)[:8]  # the first eight of them

# %% [markdown]
# Two vectors are compared by their **dot product**: multiply place by place and add up. It is large when the two point the
# same way. Divided by both lengths it is called the **cosine**, and lies between -1 and 1.
#
# **Predict first:** which words will be nearest to `river`? And to `money`? Write down three each.

# %%
for word in ("river", "money"):
    neighbours = ", ".join(f"{other} {cosine:.2f}" for other, cosine in word_vectors.nearest_words(word, 6))
    print(f"{word:>6}: {neighbours}")

# %% [markdown]
# A vector tells which words keep company in *these* texts, no more. And a word that the texts never used has no vector at all:

# %%
try:
    word_vectors["transformer"]
except UnknownWord as unknown:
    print(unknown)

# %% [markdown]
# Now the word that this lesson is about. `bank` has two meanings, and one vector.
#
# **Predict first:** will its neighbours be about rivers, about money, or about both?

# %%
plots.bars(
    *zip(*word_vectors.nearest_words("bank", 10), strict=True),
    title="The ten words nearest to “bank”",
    xlabel="cosine",
)

# %% [markdown]
# About money and business, all of them. One vector has to serve both meanings, and the one that is more frequent in these texts has won: no river is left in it.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("02, section 2")

# %% [markdown]
# ## 3. Which bank? Attention over a line of words (10 minutes)
#
# Put the two ideas together. The query is the vector of `bank`. The keys are the vectors of the words around it, and so are
# the values. The score is the dot product, divided by $\sqrt{50}$ (section 5 says why):
#
# $$\text{weights} = \text{softmax}\left(\frac{q \cdot k_1}{\sqrt{50}}, \frac{q \cdot k_2}{\sqrt{50}}, \dots\right) \qquad \text{value} = \sum_i \text{weight}_i \, v_i$$
#
# The result is a new vector for `bank`: a mixture of the words that it stands among.
#
# **Predict first:** among `river bank cold water`, which word will get the largest weight?

# %% tags=["expected-output"]
by_the_river = bank.get_value_attention(word_vectors, "bank", "river bank cold water")
bank.draw_value_attention(by_the_river)

# %%
in_town = bank.get_value_attention(word_vectors, "bank", "bank customer need money")
bank.draw_value_attention(in_town)

# %% [markdown]
# The same word, the same vector, two neighbourhoods. (In both, the largest weight goes to `bank` itself, because a vector fits itself best of the four.) The grey bars are the words of the line itself, which the value is made of; the
# green ones are what it leads to. Side by side:

# %%
for line, result in (("river bank cold water", by_the_river), ("bank customer need money", in_town)):
    led_to = [word for word, _ in result.value_neighbours if word not in line.split()]
    print(f"{line:>24} -> {', '.join(led_to)}")

# %% [markdown]
# Your turn: change the query and the line of words, or draw ten words at random. A word that is not in the vocabulary is named, and
# the rest still works.

# %% tags=["nbval-ignore-output"]
bank.bank_demo(word_vectors)

# %% [markdown]
# **Think! 2.** Does this model do well? Find a line of words on which it fails. What would make it better?

# %% [markdown] tags=["answer"]
# **One answer.** It does one thing well: context moves the vector. What holds it back:
#
# - *The query attends to itself.* A vector's dot product with itself is large, so `bank` keeps much of the weight.
# - *A word has one vector for three jobs.* What I am looking for (query), what I can be found by (key) and what I have to tell
#   (value) are different things. Learned matrices that turn one vector into three are lesson 3.
# - *Order is lost.* “dog bites man” and “man bites dog” give the same values; lesson 5 mends that.
# - *One line of words is one look.* Several heads look for several things at once (lesson 3), and several layers let words look again
#   after they have changed (lesson 4).
# - *The vectors know one corpus.* It is from 1961, and less than half a million words: rare words have poor vectors. Section 6 tries another text.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("02, section 3")

# %% [markdown]
# ## 4. Write it yourself (15 minutes)
#
# In a Transformer there are many queries at once, several heads, and a whole batch of texts. Loops would be slow, so we use matrix
# products. With the queries as the rows of $Q$, the keys of $K$, the values of $V$ (Vaswani et al. 2017):
#
# $$\text{Attention}(Q, K, V) = \text{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$
#
# Row by row: each query's scores against all the keys, softmax along that row, then an average of the values.
#
# | letter | what it counts |
# |---|---|
# | `b` | texts in the batch |
# | `tq` | queries |
# | `tk` | keys, and as many values |
# | `h` | heads |
# | `d` | numbers in one head's vector |
#
# First the product alone, for one text and one head. **Predict first:** which shape has it?

# %%
queries, keys = torch.randn(3, 4), torch.randn(5, 4)  # three queries and five keys, four numbers each
(queries @ keys.T).shape

# %% [markdown]
# A row for each query, a column for each key: all the scores at once.
#
# ### Exercise 2: scaled dot-product attention
#
# Fill in three blanks (`...`):
#
# 1. `calculate_score`: every query against every key, divided by the square root of the width;
# 2. `weights`: the scores as weights, so that each query's weights add up to 1;
# 3. `output`: the values averaged with these weights, after dropout.
#
# Written for you: putting the heads beside the batch and back, and the **mask**. A mask is `True` where a query may attend. Where
# it is `False` the score becomes $-\infty$, so the weight becomes 0. And the weights of the last call are kept, before dropout, as `self.weights`,
# (b, h, tq, tk): the pictures below read them.
#
# <details><summary>Hint 1</summary>
#
# `keys` is (b * h, tk, d). For a matrix product with the queries you need (b * h, d, tk): `keys.transpose(1, 2)`.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The scores are (b * h, tq, tk). Each *query* shares out a weight of 1 among the keys: which of the three axes does softmax run along?
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 2: scaled dot-product attention
class DotProductAttention(nn.Module):
    """Scaled dot-product attention, all heads at once (Vaswani et al. 2017, section 3.2.1)."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.weights: torch.Tensor | None = None  # of the last call, for pictures: (b, h, tq, tk)

    def calculate_score(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """(b * h, tq, d) and (b * h, tk, d) give the scaled scores (b * h, tq, tk)."""
        # BEGIN SOLUTION
        # STUB: return ...
        return queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])
        # END SOLUTION

    def forward(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(b, tq, h, d), (b, tk, h, d), (b, tk, h, d) give (b, tq, h * d). Mask: True = may be attended to."""
        b, tq, h, d = queries.shape
        tk = keys.shape[1]
        queries, keys, values = (x.transpose(1, 2).reshape(b * h, -1, d) for x in (queries, keys, values))

        scores = self.calculate_score(queries, keys)  # (b * h, tq, tk)
        if mask is not None:
            mask = mask.expand(b, h, tq, tk).reshape(b * h, tq, tk)
            scores = scores.masked_fill(~mask, -math.inf)
        # BEGIN SOLUTION
        # STUB: weights = ...  # (b * h, tq, tk): each query's weights add up to 1
        weights = torch.softmax(scores, dim=-1)
        # END SOLUTION
        if mask is not None:
            weights = weights.masked_fill(~mask, 0.0)  # a query that may attend to nothing: zeros, not NaN
        self.weights = weights.detach().reshape(b, h, tq, tk)
        weights = self.dropout(weights)
        # BEGIN SOLUTION
        # STUB: output = ...  # (b * h, tq, d)
        output = weights @ values
        # END SOLUTION
        return output.reshape(b, h, tq, d).transpose(1, 2).reshape(b, tq, h * d)


# %% tags=["check"]
checks.dot_product_attention(DotProductAttention)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import DotProductAttention

# %% [markdown]
# Your layer at work: four words attend to each other, without any learned matrices.
#
# **Predict first:** which squares of the picture will be the brightest?

# %% tags=["expected-output"]
words = ["river", "bank", "cold", "water"]
vectors = torch.stack([torch.tensor(word_vectors[word]) for word in words])
vectors = vectors[None, :, None, :]  # (b, t, h, d) = (1, 4, 1, 50)

attention = DotProductAttention()
attention(vectors, vectors, vectors)
plots.heatmap(
    attention.weights[0, 0],
    row_labels=words,
    column_labels=words,
    title="Each word attends to itself most of all",
    xlabel="key",
    ylabel="query",
    colour_label="weight",
    annotate=True,
)

# %% [markdown]
# With a mask, some keys are out of bounds. Say the last word is padding, there only to make all lines of a batch equally
# long:

# %%
mask = torch.tensor([True, True, True, False])[None, None, None, :]  # (b, h, tq, tk) = (1, 1, 1, 4)
attention(vectors, vectors, vectors, mask)
attention.weights[0, 0].round(decimals=2)

# %% [markdown]
# The last column is 0, and each row shares its 1 among the three keys that are left (rounded, so a row may seem to miss by 0.01). The last *row* is still
# there: the padding asks too, but nobody will read its answer.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("02, section 4")

# %% [markdown]
# ## 5. Why the square root, and why softmax subtracts its maximum (10 minutes, optional)
#
# Other courses check this exercise with the numbers below. Their answer is exact, and that should make you suspicious.

# %%
queries = torch.tensor([[[[12, 2, 17, 88]], [[1, 43, 13, 7]], [[69, 48, 18, 55]]]], dtype=torch.float32)
keys = torch.tensor([[[[10, 99, 65, 10]], [[85, 6, 114, 53]], [[25, 5, 3, 4]]]], dtype=torch.float32)
values = torch.tensor([[[[33, 32, 18, 3]], [[36, 77, 90, 37]], [[19, 47, 72, 39]]]], dtype=torch.float32)

attention = DotProductAttention(dropout=0)
attention(queries, keys, values)

# %% [markdown]
# Every row of the output *is* one of the values, to the last digit: nothing was averaged. Look at the weights.

# %%
attention.weights[0, 0]

# %% [markdown]
# The scores are in the thousands, so softmax puts everything on the largest: it is **saturated**.
#
# **Predict first:** what changes if you forget to divide by $\sqrt{d}$?

# %%
unscaled = torch.softmax(queries[0, :, 0] @ keys[0, :, 0].T, dim=-1) @ values[0, :, 0]
print("without the square root, same output:", torch.equal(unscaled, attention(queries, keys, values)[0]))

# %% [markdown]
# Nothing. A test with numbers this large cannot see the mistake, so the check above uses small random numbers instead.
#
# Saturation is bad for learning too: where softmax is flat, its gradient is almost zero. Let us see when it happens. Draw
# a query and 16 keys from a standard normal distribution. The dot product of two such vectors of width $d$ has standard deviation $\sqrt{d}$:
# wide heads make large scores. Dividing by $\sqrt{d}$ undoes exactly this.
#
# Two numbers sum it up. The **entropy** says how evenly the weights are spread: 4 bits if all 16 keys get the same, 0 if one gets everything. The **Jacobian**
# holds the derivatives of all weights with respect to all scores: if its norm is near 0, nothing is learned.

# %%
scale.draw_saturation(width=64)

# %% [markdown]
# Now move the width. At which width does the unscaled softmax pick a single key?

# %% tags=["nbval-ignore-output"]
scale.saturation_demo()

# %% [markdown]
# At a width of 64, common in Transformers, one key gets most of the weight in most draws: the orange curve lies below one bit. Divided, the blue one stays level.
#
# Last, a matter of arithmetic. Softmax is $e^{s_i} / \sum_j e^{s_j}$, and $e^{1000}$ is too large for a computer.
# Subtracting the same number from all scores changes nothing, because $e^{s-m} = e^s / e^m$ and the $e^m$ cancel. So subtract the maximum:
# then the largest term is $e^0 = 1$, and nothing overflows.

# %%
large = torch.tensor([1000.0, 1001.0, 1002.0])
plain = large.exp() / large.exp().sum()
shifted = (large - large.max()).exp() / (large - large.max()).exp().sum()
print("plain:  ", plain)
print("shifted:", shifted)
print("torch:  ", torch.softmax(large, dim=0))

# %% tags=["form", "nbval-ignore-output"]
feedback_box("02, section 5")

# %% [markdown]
# ## 6. Train your own word vectors (10 minutes, optional)
#
# The course's vectors read 452,221 words. What if they had read other texts, and fewer of them? Let us train skip-gram vectors
# on the course's own sentences: reviews, editorials and tweets (Hutto & Gilbert 2014). With `DATA = "full"` the text is Brown, as for the vectors that ship.
#
# fastText is compiled when it is installed, which takes about a minute on Colab. Elsewhere it is there already.

# %%
if importlib.util.find_spec("fasttext") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "fasttext"], check=True)

from helpers.data import load_sentences
from helpers.fasttext_training import brown_texts, train_fasttext

texts = brown_texts() if DATA == "full" else load_sentences()
own_vectors = train_fasttext(texts, epochs=5)
print(f"{len(texts):,} texts; {len(own_vectors):,} words occur often enough to get a vector")

# %% [markdown]
# **Predict first:** among film reviews and tweets, what will be the neighbours of `movie`, of `bank` and of `money`?

# %%
for word in ("movie", "bank", "money", "good"):
    for name, vectors in (("shipped", word_vectors), ("own", own_vectors)):
        if word in vectors:
            print(f"{word:>6}, {name:>7}: {', '.join(other for other, _ in vectors.nearest_words(word, 7))}")

# %% [markdown]
# Neighbours tell you what a model has read. `movie` is frequent here, and even a small text gives it sensible neighbours. `bank` is rare, so chance has a say.
# And `good` is nearly as frequent as `movie`, but it goes with almost anything, so its company tells little. A model that is trained on more text
# has met each word in more company, and that is a good part of why lesson 8 starts from a pretrained one.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("02, section 6")

# %% [markdown]
# ## Summary
#
# - Attention is a soft look-up: **score** the keys against the query, **softmax**, average the **values**.
# - With word vectors as queries, keys and values, the words around `bank` pull it towards a river or towards money.
# - You wrote `DotProductAttention`: all texts, all heads and all queries in two matrix products, with a mask.
# - Scores are divided by $\sqrt{d}$, because otherwise wide heads saturate softmax and nothing can be learned.
#
# Next: in [lesson 3](03_many_heads.ipynb) the layer learns what to look for, and does so several times at once.
#
# ## Where to read more
#
# - Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762), section 3.2.
# - Jay Alammar, [The illustrated Transformer](https://jalammar.github.io/illustrated-transformer/): the same in drawings.
# - Sasha Rush, [The annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/): the paper, line by line, in code.
# - Mikolov et al. (2013), [Efficient estimation of word representations](https://arxiv.org/abs/1301.3781): skip-gram.
# - Phillip Lippe, [UvA deep learning tutorial 6](https://uvadlc-notebooks.readthedocs.io/en/latest/tutorial_notebooks/tutorial6/Transformers_and_MHAttention.html).
#
# The video, the bank demo's idea and the numbers of the check in section 5 come from Neuromatch Academy's
# [W2D5 tutorial](https://deeplearning.neuromatch.io/tutorials/W2D5_AttentionAndTransformers/student/W2D5_Tutorial1.html) (CC BY 4.0).
# The words and the code are ours.

# %%
media.slides()
