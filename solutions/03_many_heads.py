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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/03_many_heads.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/03_many_heads.ipynb)
#
# # 3. Many heads
#
# **After this lesson you can**
# - show with one picture why a single weighted average is not enough;
# - say what the query, key and value matrices of a head are for;
# - write self-attention with many heads, and prove that it does what torch's own layer does;
# - look into the heads of a pretrained model, with a sentence of your own;
# - say what attention weights do not tell you.
#
# **Time:** 75 minutes; the core path (sections 1 to 6) takes 60.
# **Before:** [lesson 2](02_queries_keys_values.ipynb), where you wrote scaled dot-product attention.

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
from helpers.demos import heads, occlusion, one_average, parking
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import DotProductAttention
from helpers.pretrained import load_encoder, load_tokenizer
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # section 5 opens a small encoder, with "full" BERT-base
MODEL = "google-bert/bert-base-uncased" if DATA == "full" else None

# %% [markdown]
# The video tells the story of sections 1 to 3, if you would rather listen first.

# %% tags=["nbval-ignore-output"]
media.video("zPlyKvBJLKk", "BV14Z4y1i7uP", title="Multi-head attention")
media.slides()

# %% [markdown]
# ## 1. One average is not enough (8 minutes)
#
# *The old sailor drank hot tea.* The word `drank` has two questions: **who** drank, and **what**? The answers stand in two
# different places.
#
# Let each word's value be two numbers, made up by hand: is it alive, and can you drink it? The answer that `drank` wants
# is `[1, 1]`: somebody who is alive drank something that can be drunk. Attention is a weighted average of the values.
# Try three choices of weights.

# %%
words = ["old", "sailor", "drank", "hot", "tea"]
alive = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
drinkable = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])
values = torch.stack([alive, drinkable], dim=1)  # (5, 2)

on_sailor = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
on_tea = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])
half_half = (on_sailor + on_tea) / 2

for name, weights in {"on sailor": on_sailor, "on tea": on_tea, "half and half": half_half}.items():
    print(f"{name:>13}: {(weights @ values).tolist()}")

# %% [markdown]
# **Predict first:** are there any weights at all (none negative, their sum 1) whose average is `[1, 1]`? Decide, then look at two
# thousand random ones.

# %%
one_average.draw_reach(
    words, values, wanted=(1.0, 1.0), xlabel="first number: is it alive?", ylabel="second number: can you drink it?"
)

# %% [markdown]
# None of them comes near, and none can: an average lies *between* the values, and the star does not. What you gain on one question you lose
# on the other.
#
# The way out: cut each value into parts, and give **each part its own weights**. One part with its own weights is a **head**.

# %%
head_1 = on_sailor @ alive  # asks "who?", and averages the first numbers
head_2 = on_tea @ drinkable  # asks "what?", and averages the second numbers

torch.stack([head_1, head_2])

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 1")

# %% [markdown]
# ## 2. Three matrices: one vector, three jobs (8 minutes)
#
# Where does a head get its own weights from? In lesson 2 a word's vector was query, key and value all at once. A second head that
# compares the same vectors would get the same weights as the first, and each word would attend mostly to itself.
#
# Four numbers for each word now: alive, drinkable, an action, a description.

# %%
vectors = torch.tensor(
    [
        [0.0, 0.0, 0.0, 1.0],  # old: a description
        [1.0, 0.0, 0.0, 0.0],  # sailor: alive
        [0.0, 0.0, 1.0, 0.0],  # drank: an action
        [0.0, 0.0, 0.0, 1.0],  # hot: a description
        [0.0, 1.0, 0.0, 0.0],  # tea: drinkable
    ]
)
weights = torch.softmax(6 * vectors @ vectors.T, dim=-1)  # the 6 makes the scores large enough to see a difference
plots.heatmap(weights, words, words, title="One vector for all jobs", xlabel="key", ylabel="query", vmin=0, vmax=1)

# %% [markdown]
# Likeness decides: a word finds itself, and what is like it. `drank` learns nothing about anybody.
#
# A head that asks “who?” needs two different views of the same vector. As a **query**, `drank` says what it looks for. As a **key**,
# `sailor` says what it can be found by. Each view is a product with a matrix (of a single row here: a head of width 1).
#
# **Predict first:** in the row of `drank`, where will the weight go now? And what will a word do that has no question, such as `hot`?

# %%
to_query = torch.tensor([0.0, 0.0, 2.5, 0.0])  # actions ask
to_key = torch.tensor([2.5, 0.0, 0.0, 0.0])  # what is alive answers

queries = vectors @ to_query  # (5,): 2.5 at `drank`, else 0
keys = vectors @ to_key  # (5,): 2.5 at `sailor`, else 0
weights = torch.softmax(queries[:, None] * keys[None, :], dim=-1)  # (5, 5)
plots.heatmap(weights, words, words, title="With matrices: who?", xlabel="key", ylabel="query", vmin=0, vmax=1)

# %% [markdown]
# Now `drank` finds `sailor`, which is nothing like it. And a word that finds nothing spreads its weight evenly, because softmax must
# give away a sum of 1. Remember this; it comes back in section 6.
#
# The third matrix makes the **value**: what a word tells whoever attends to it. So, for each head:
#
# $$q = W_q\,x \qquad k = W_k\,x \qquad v = W_v\,x$$
#
# Here the matrices were set by hand. In a model they start at random, and gradient descent finds out which questions are worth asking.
#
# In code, the matrices of all heads are stacked into one layer, `nn.Linear(k, h * d)`. Its output is then cut into heads, with `view`.
# Two words, three heads of width 2:

# %%
projected = torch.arange(12).view(1, 2, 6)  # (b, t, h * d)
print(projected)
print(projected.view(1, 2, 3, 2))  # (b, t, h, d): nothing moves, only the brackets

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 2")

# %% [markdown]
# ## 3. Write it yourself (20 minutes)
#
# In one formula (Vaswani et al. 2017), with your `DotProductAttention` inside:
#
# $$\text{head}_i = \text{Attention}(XW_q^i,\; CW_k^i,\; CW_v^i) \qquad \text{output} = [\text{head}_1, \dots, \text{head}_h]\,W_o$$
#
# $X$ is the text that looks. $C$ is the **context**, the text that is looked at. In **self-attention** the two are the same; they differ
# in lesson 6, where a translation looks at its source.
#
# The last matrix, $W_o$, lets the heads' answers, which lie side by side, talk to each other: it **unifies the heads**.
#
# | letter | what it counts |
# |---|---|
# | `b` | texts in the batch |
# | `t` | words that look |
# | `tk` | words that are looked at |
# | `k` | numbers in a word's vector (`embed_dim`) |
# | `h` | heads |
# | `d` | numbers in one head's vector: usually `k / h` |
#
# **Predict first:** which shape comes out here?

# %%
x = torch.randn(1, 5, 12)  # (b, t, k)
nn.Linear(12, 3 * 4)(x).view(1, 5, 3, 4).shape

# %% [markdown]
# ### Exercise 3: self-attention with many heads
#
# Fill in six blanks (`...`):
#
# 1. `unify_heads`: a layer from all heads' answers, side by side, back to the model's width;
# 2. `queries`, `keys`, `values`: **project**, then **split into heads**;
# 3. `attended`: **attend**, all heads at once;
# 4. the return value: **unify**.
#
# Written for you: the check of the sizes, the three projections, and what `context` is when there is none.
#
# <details><summary>Hint 1</summary>
#
# Project with `self.to_queries(x)`, which is (b, t, h * d). The cut into heads is `.view(b, t, self.num_heads, self.head_dim)`.
# Keys and values have as many rows as `context` has words.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `self.attention` is lesson 2's layer. It takes queries, keys, values and the mask, and gives (b, t, h * d): the heads are already
# side by side again.
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 3: self-attention with many heads
class SelfAttention(nn.Module):
    """Attention with learned projections, many heads at once (Vaswani et al. 2017, section 3.2.2).

    `head_dim` is the width of one head: `embed_dim // num_heads` by default; `embed_dim` makes wide heads.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int = 8,
        head_dim: int | None = None,
        dropout: float = 0.1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if head_dim is None:
            if embed_dim % num_heads:
                raise ValueError(
                    f"embed_dim={embed_dim} does not divide by num_heads={num_heads}. "
                    "Choose other numbers, or say how wide a head is with head_dim."
                )
            head_dim = embed_dim // num_heads
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.to_queries = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.to_keys = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.to_values = nn.Linear(embed_dim, num_heads * head_dim, bias=bias)
        self.attention = DotProductAttention(dropout)
        # BEGIN SOLUTION
        # STUB: self.unify_heads = ...  # with a bias, always
        self.unify_heads = nn.Linear(num_heads * head_dim, embed_dim)
        # END SOLUTION

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, context: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(b, t, k), and a context (b, tk, k) where there is one, give (b, t, k). Mask: True = may be attended to."""
        if context is None:
            context = x
        b, t, _ = x.shape
        tk = context.shape[1]
        # BEGIN SOLUTION
        # STUB: queries = ...  # (b, t, h, d)
        # STUB: keys = ...  # (b, tk, h, d)
        # STUB: values = ...  # (b, tk, h, d)
        # STUB: attended = ...  # (b, t, h * d)
        # STUB: return ...
        queries = self.to_queries(x).view(b, t, self.num_heads, self.head_dim)  # (b, t, h, d)
        keys = self.to_keys(context).view(b, tk, self.num_heads, self.head_dim)  # (b, tk, h, d)
        values = self.to_values(context).view(b, tk, self.num_heads, self.head_dim)  # (b, tk, h, d)
        attended = self.attention(queries, keys, values, mask)  # (b, t, h * d)
        return self.unify_heads(attended)
        # END SOLUTION


# %% tags=["check"]
checks.self_attention(SelfAttention)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import SelfAttention

# %% [markdown]
# Your layer at work, on the sailor: two heads of width 1, with matrices set by hand, one row for each head.
#
# **Predict first:** what will the second head's row of `drank` look like? And the new vector of `drank`?

# %% tags=["expected-output"]
layer = SelfAttention(embed_dim=4, num_heads=2, head_dim=1, dropout=0)
with torch.no_grad():
    layer.to_queries.weight.copy_(torch.tensor([[0, 0, 2.5, 0], [0, 0, 2.5, 0]]))  # in both heads, actions ask
    layer.to_keys.weight.copy_(torch.tensor([[2.5, 0, 0, 0], [0, 2.5, 0, 0]]))  # head 1: the living answer; 2: drinks
    layer.to_values.weight.copy_(torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0]]))  # 1 tells the first number, 2 the second
    layer.unify_heads.weight.copy_(torch.tensor([[1, 0], [0, 1], [0, 0], [0, 0]]))  # side by side
    layer.unify_heads.bias.zero_()
    output = layer(vectors[None])  # (1, 5, 4)

figure, axes = plots.panels(1, 2, width=10, height=4.2, sharey=True)
for head, title in enumerate(["Head 1 asks: who?", "Head 2 asks: what?"]):
    plots.heatmap(
        layer.attention.weights[0, head],
        words,
        words,
        title=title,
        xlabel="key",
        ylabel="query",
        ax=axes[0, head],
        annotate=True,
        vmin=0,
        vmax=1,
    )
figure

# %% [markdown]
# The new vector of `drank` starts with two numbers that have (almost) reached the star of section 1.

# %%
output[0, words.index("drank")].round(decimals=2)

# %% [markdown]
# What do heads cost? With the usual width `k / h`, nothing: more heads are narrower heads. **Wide heads** (`head_dim=embed_dim`)
# are another matter. Here is the number of weights to learn, at the width of the model of section 5.

# %%
for h in (1, 4, 12):
    usual = sum(weights.numel() for weights in SelfAttention(384, h).parameters())
    wide = sum(weights.numel() for weights in SelfAttention(384, h, head_dim=384).parameters())
    print(f"h = {h:2}: {usual:,} weights; with wide heads {wide:,}")

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 3")

# %% [markdown]
# ## 4. The same as torch's (6 minutes)
#
# torch has this layer too: `nn.MultiheadAttention`. Copy your weights into it, and the two must agree. torch keeps the three
# projections in one matrix, one below the other.

# %%
ours = SelfAttention(embed_dim=48, num_heads=4, dropout=0, bias=True)
theirs = nn.MultiheadAttention(embed_dim=48, num_heads=4, batch_first=True)

theirs.out_proj.load_state_dict(ours.unify_heads.state_dict())
projections = (ours.to_queries, ours.to_keys, ours.to_values)
with torch.no_grad():
    theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
    theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))

# %% [markdown]
# Two texts, one of six words and one of four, so the second has two places of padding.
#
# **Mind the masks.** In this course `True` means *may be attended to*. In torch's `key_padding_mask` it means the opposite, *leave this out*.
# So we hand over `~is_word`: not a word.

# %%
x = torch.randn(2, 6, 48)
is_word = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])

with torch.no_grad():
    our_output = ours(x, mask=is_word[:, None, None, :])  # (b, 1, 1, tk)
    their_output, their_weights = theirs(x, x, x, key_padding_mask=~is_word, average_attn_weights=False)

print("same output, to a millionth:", torch.allclose(our_output, their_output, rtol=0, atol=1e-6))

# %% [markdown]
# **Predict first:** these are the second text's weights, head by head. Where is every picture dark, and why?

# %%
figure, axes = plots.panels(2, 4, width=10, height=5.2, sharex=True, sharey=True)
for row, (name, weights) in enumerate({"yours": ours.attention.weights, "torch's": their_weights}.items()):
    for head in range(4):
        image = axes[row, head].imshow(weights[1, head], vmin=0, vmax=0.6)
        axes[row, head].set(
            title=f"{name}, head {head + 1}", xlabel="key" if row else "", ylabel="" if head else "query"
        )
figure.colorbar(image, ax=axes, label="weight")
figure

# %% [markdown]
# In the last two columns (places 4 and 5, counted from 0): they are padding, so nobody may look there. As queries, in the last two rows, they do look at words,
# but nobody reads their answers.
#
# With a context of another length, yours and torch's agree as well:

# %%
context = torch.randn(2, 9, 48)
with torch.no_grad():
    our_output = ours(x, context=context)
    their_output, _ = theirs(x, context, context)

print("same output, to a millionth:", torch.allclose(our_output, their_output, rtol=0, atol=1e-6))

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 4")

# %% [markdown]
# ## 5. What do real heads do? (12 minutes)
#
# Nobody sets the matrices of a real model by hand. So what did they become? We open one that has read a great deal of English:
# all-MiniLM-L6-v2, a small relative of BERT. It was taught by imitating a larger model, then tuned to say which sentences mean
# the same (lesson 8 tells more). The heads that are named below are its own; BERT-base (`DATA = "full"`) has others.
#
# A **tokenizer** cuts the text into pieces, and puts `[CLS]` in front and `[SEP]` behind. Loading takes a few seconds.

# %%
tokenizer = load_tokenizer(MODEL)
encoder = load_encoder(MODEL, attentions=True)

sentence = "The waiter brought the soup, but it was cold."
maps = heads.read_sentence(sentence, tokenizer, encoder)
print(maps.pieces)
print("layers, heads, queries, keys:", tuple(maps.weights.shape))

# %% [markdown]
# Six layers with 12 heads each: 72 pictures like the ones you drew above. Rows look, columns are looked at.
#
# **Predict first:** on paper, draw the picture of a head that always looks at the *previous* piece. Then find it in the first layer.

# %% tags=["expected-output"]
heads.draw_layer(maps, layer=1)

# %% [markdown]
# Head 3 it is, without a doubt:

# %%
heads.draw_head(maps, layer=1, head=3)

# %% [markdown]
# Nobody told it to. Looking one piece back is useful, and so one head learned it.
#
# And this is *your* layer. Put the model's matrices into `SelfAttention`, give it what the model's first layer is given (a vector
# for each piece; lessons 5 and 8 say how it is made), and compare the weights of all 12 heads.

# %%
theirs = encoder.encoder.layer[0].attention
mine = SelfAttention(embed_dim=384, num_heads=12, bias=True).eval()
mine.to_queries.load_state_dict(theirs.self.query.state_dict())
mine.to_keys.load_state_dict(theirs.self.key.state_dict())
mine.to_values.load_state_dict(theirs.self.value.state_dict())
mine.unify_heads.load_state_dict(theirs.output.dense.state_dict())

token_ids = tokenizer(sentence, return_tensors="pt")["input_ids"]  # (1, t)
with torch.no_grad():
    mine(encoder.embeddings(token_ids))
print("same weights in all heads:", torch.allclose(mine.attention.weights[0], maps.weights[0], atol=1e-5))

# %% [markdown]
# Some heads do something less simple. What does `it` mean in our sentence? And in the second one below, what does `he` mean?
#
# **Predict first:** name the word that you would look at yourself, in each sentence.

# %%
questions = {
    "it": "The waiter brought the soup, but it was cold.",
    "he": "The waiter brought the soup, but he was rude.",
}
figure, axes = plots.panels(1, 2, width=10, height=4.8)
for ax, (word, sentence) in zip(axes[0], questions.items(), strict=True):
    maps = heads.read_sentence(sentence, tokenizer, encoder)
    weights = maps.head(layer=4, head=2)[maps.pieces.index(word)]  # (tk,)
    title = f"“{word}”: layer 4, head 2"
    plots.bars(maps.pieces, weights, title=title, xlabel="weight", ax=ax, xlim=(0, 0.75))
figure

# %% [markdown]
# The same head, two different answers, both right. (The bars of `[CLS]` are for section 6.) Heads do see different things: places,
# grammar, perhaps meaning.
#
# Your turn. Type a sentence of your own, and move the sliders (with the mouse, or with the arrow keys). Things to hunt for:
#
# - a head that looks at the *next* piece;
# - a head that looks from a verb to its object (*The old sailor drank hot tea*: from `drank` to `tea`);
# - a rare word, which falls into several pieces (their names start with `##`): do the pieces look at each other?

# %% tags=["nbval-ignore-output"]
heads.head_demo(tokenizer, encoder, "The waiter brought the soup, but it was cold.")

# %% [markdown]
# **Think! 3.1.** Shall we call layer 4, head 2 “the head that understands pronouns”? Try it on these two, and on your own:
#
# - *The jug did not fit into the cupboard because it was too large.*
# - *The jug did not fit into the cupboard because it was too small.*

# %% [markdown] tags=["answer"]
# **One answer.** In the first sentence `it` is the jug, in the second the cupboard. The head looks at the jug both times.
# Whatever it does, it does not use the meaning of *large* and *small*. And it does other things too: in *The old sailor drank hot tea*, it
# looks from `drank` to `tea`. A name that you give a head after two pictures is a guess. To test it, look for sentences on which it would
# fail.
#
# What there was to hunt for: the next-piece head is layer 2, head 9. From a verb to its object, layer 4, head 2 is one of several, and none of them does
# so in every sentence. A rare word to try is `firkin`, which falls into `fir` and `##kin`.

# %% tags=["solution"]
for size in ("large", "small"):
    sentence = f"The jug did not fit into the cupboard because it was too {size}."
    maps = heads.read_sentence(sentence, tokenizer, encoder)
    weights = maps.head(layer=4, head=2)[maps.pieces.index("it")]
    print(f"too {size}: the head looks at {maps.pieces[weights.argmax()]}")

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 5")

# %% [markdown]
# ## 6. Where attention goes that has nothing to look for (6 minutes)
#
# You have seen it in several heads, and as a bar beside `it` and `he`: a bright first column. So much attention to `[CLS]`, which is not even a word?
# Let us measure it, over ten sentences.
#
# **Predict first:** of the attention that the words pay, which share goes to `[CLS]` and `[SEP]` together? There are about a dozen
# pieces in a sentence, so an even share for these two would be one sixth.

# %%
sentences = [
    "The waiter brought the soup, but it was cold.",
    "My sister lost her keys on the way to the station.",
    "The bank of the river was covered with flowers.",
    "The bank raised the interest rate again.",
    "Nobody in the small village had ever seen the sea.",
    "She put the book on the table and left the room.",
    "The film was long, loud and not very funny.",
    "After the storm, the children played in the garden.",
    "This restaurant serves the worst pizza in town.",
    "I did not enjoy the concert at all.",
]
shares = parking.measure_shares(sentences, tokenizer, encoder)
parking.draw_shares(shares)

# %% [markdown]
# On the left, the weights. On the right, what they fetch: each weight times the length of the value vector that arrives. The value of
# `[CLS]` is so short that half of the weight brings hardly more than one word's share of the message.
#
# It looks like a way out of section 2's problem. Softmax must give away a sum of 1, even where a head finds nothing. So the heads
# **park** their weight on a token that says little.
#
# Where they park differs from model to model. In BERT itself it is mostly `[SEP]`, which gets more than half of the attention in layers 6 to 10 of
# 12 (Clark et al. 2019). Looking at lengths as well as weights is an idea of Kobayashi et al. (2020).

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 6")

# %% [markdown]
# ## 7. Is attention an explanation? (15 minutes, optional)
#
# It is tempting to read a heat map as a reason: “the model decided so *because* it looked at this word”. There is a direct test. **Leave
# the word out**, and see what changes. This is called **occlusion**.
#
# Our encoder turns a sentence into one vector, the mean over its pieces. We leave out one word at a time, and measure how far that vector
# moves: 1 minus the cosine of old and new.
#
# **Predict first:** which word moves the sentence most? Is it the one that gets most attention?

# %%
result = occlusion.occlude("The waiter brought the soup, but it was cold.", tokenizer, encoder)
occlusion.draw_occlusion(result)

# %% [markdown]
# `soup` moves it most, `waiter` gets most attention. Not so far apart: words that matter get more attention, on average over all 72 heads. But look closer. Without `but` hardly anything
# changes, and yet it gets about two thirds of the attention that `soup` gets.
#
# And who looks at the average? People show *one* head. So compare each head alone with occlusion, over the ten sentences. A **rank correlation**
# of 1 means that both put the words in the same order; 0, that the orders have nothing to do with each other; -1, that one is the other backwards.

# %%
results = [occlusion.occlude(sentence, tokenizer, encoder) for sentence in sentences]
occlusion.draw_agreement(results)

# %% [markdown]
# Whoever may choose the head may choose the story. Try sentences of your own: negations, names, jokes.

# %% tags=["nbval-ignore-output"]
occlusion.occlusion_demo(tokenizer, encoder, "I did not enjoy the concert at all.")

# %% [markdown]
# One more reason for care, in four lines. When two words have the same value, their weights can be swapped and nothing changes:

# %%
values = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # the first two words say the same
for weights in (torch.tensor([0.75, 0.0, 0.25]), torch.tensor([0.0, 0.75, 0.25])):
    print(f"{weights.tolist()} -> {(weights @ values).tolist()}")

# %% [markdown]
# “Attention is not explanation”, wrote Jain and Wallace (2019). In recurrent classifiers they found attention that agreed only weakly with other measures of
# importance, and very different weights that led to the same prediction. “Attention is not *not* explanation”, answered Wiegreffe and Pinter (2019).
# It depends on what you call an explanation, and the rest of the model must be taken into account: weights that are made to deceive did badly when they
# had to guide another model.
#
# What both leave standing: a heat map shows where a head looked. That is a question, not an answer.
#
# **Think! 3.2.** A colleague shows you a heat map: one head, one sentence, one bright square. “See, the model rejected this application because of the
# word *Tuesday*.” What do you ask?

# %% [markdown] tags=["answer"]
# **One answer.** Some good questions:
#
# - *Which head, of how many, and who chose it?* With 72 heads, some square is always bright.
# - *What happens without the word?* Leave it out, or write *Monday*: does the decision change?
# - *Does it hold for other texts?* One sentence is an anecdote.
# - *How long is the value that the weight fetches?* Perhaps the head is only parking there.
# - *Which layer?* In a late layer, the vector above `Tuesday` has long been mixed with those of the other words.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("03, section 7")

# %% [markdown]
# ## Summary
#
# - One weighted average cannot answer two questions. **Heads** cut the vectors into parts, and each part has its own weights.
# - Three matrices give a word three jobs: **query** (what I look for), **key** (what I am found by), **value** (what I tell).
# - You wrote `SelfAttention`: project, split, attend, unify. It gives what `nn.MultiheadAttention` gives.
# - In a pretrained model, heads look at neighbours, at grammar, perhaps at meaning; and when they find nothing, they park on a token that says little.
# - Weights show where a head looked, not why the model decided. Test with occlusion.
#
# Next: [lesson 4](04_transformer_block.ipynb) builds a whole Transformer block around your layer.
#
# ## Where to read more
#
# - Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762), section 3.2.2.
# - Jay Alammar, [The Illustrated Transformer](https://jalammar.github.io/illustrated-transformer/).
# - Sasha Rush and others, [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/).
# - Phillip Lippe, [UvA deep learning tutorial 6](https://uvadlc-notebooks.readthedocs.io/en/latest/tutorial_notebooks/tutorial6/Transformers_and_MHAttention.html).
# - torch's page on [MultiheadAttention](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html).
# - Clark et al. (2019), [What does BERT look at?](https://arxiv.org/abs/1906.04341); Kobayashi et al. (2020), [Attention is not only a weight](https://arxiv.org/abs/2004.10102).
# - Jain and Wallace (2019), [Attention is not explanation](https://arxiv.org/abs/1902.10186); Wiegreffe and Pinter (2019), [Attention is not not explanation](https://arxiv.org/abs/1908.04626).
#
# *The video and slides are by [Neuromatch Academy](https://neuromatch.io/), W2D5 (CC BY 4.0), whose order of ideas sections 1 to 3 follow.*
