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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/01_from_one_vector_to_alignment.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/01_from_one_vector_to_alignment.ipynb)
#
# # 1. From one vector to alignment
#
# **After this lesson you can**
# - explain attention as a weighted average whose weights depend on a question;
# - say why a model that squeezes a text into one vector has a hard time with long texts;
# - write additive attention, with which attention began;
# - read an alignment: which word a model looked at when it wrote which character.
#
# **Time:** 60 minutes; the core path (sections 1 to 6) takes 55.
# **Before:** some Python and PyTorch. That a recurrent network reads a text word by word and keeps a state is all that you need to know of such networks.

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
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from tqdm.auto import tqdm

from helpers import checks, date_batches, dates, media, plots
from helpers.demos import date_accuracy, decoding_player, encoder_decoder, three_numbers
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # this lesson writes its own data: both settings do the same
STEPS = 400  # how many batches each of the two models learns from

# %% [markdown]
# The video tells where attention comes from, if you would rather listen first.

# %% tags=["nbval-ignore-output"]
media.video("UnuSQeT8GqQ", "BV1hf4y1j7XE", title="From one vector to attention")

# %% [markdown]
# ## 1. A weighted average of three numbers (8 minutes)
#
# Three friends have seen a film. Ada gives it 2 stars, Ben 3, Cleo 5. You want one number. The plain average listens to all three alike:

# %%
stars = torch.tensor([2.0, 3.0, 5.0])
weights = torch.tensor([1 / 3, 1 / 3, 1 / 3])
weights @ stars  # 1/3 of 2, plus 1/3 of 3, plus 1/3 of 5

# %% [markdown]
# But you have a question: *is it funny?* Cleo laughs at what you laugh at, Ben sometimes does, Ada never. So give each friend a **score**, any number, for how well they fit
# the question, and let **softmax** turn the scores into **weights**: all positive, their sum 1.

# %%
scores = torch.tensor([0.0, 1.0, 3.0])  # how well Ada, Ben and Cleo fit the question
weights = torch.softmax(scores, dim=0)  # e to the power of each score, divided by the sum of the three
print("weights:", weights)
print("average:", weights @ stars)

# %%
three_numbers.draw_weighted_average(["Ada", "Ben", "Cleo"], stars.tolist(), scores.tolist())

# %% [markdown]
# The stars have not changed. Another question (*is the music good?*) would have other scores, so another average. That is attention: **a weighted average, with weights that
# depend on what you want to know.**
#
# **Predict first:** with the sliders below, can you bring the average to 4? To exactly 5? To 6?

# %% tags=["nbval-ignore-output"]
three_numbers.three_numbers_demo(["Ada", "Ben", "Cleo"], stars.tolist(), scores.tolist())

# %% [markdown]
# An average stays between its smallest and its largest number, so 6 is out of reach; and softmax leaves nobody a weight of exactly 0, so 5 is too, if only just.
#
# In what follows, the three numbers become vectors, one for each word of a text, and a network learns to give the scores.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 1")

# %% [markdown]
# ## 2. A time traveller's diary (6 minutes)
#
# Attention was invented for translation. We translate something small enough for a laptop: a diary that somebody keeps while jumping between the years 1800 and 2099.
# Each line names a day or two, in whatever form came to mind. We want them in one form, ISO 8601: year, month, day.

# %%
train_lines, test_lines = dates.make_lines(train=20_000, test=1_000, seed=2021)

for line in train_lines[:8]:
    print(line.text)
    print("    ->", line.iso)

# %% [markdown]
# Here, too, some words matter far more than others: `june` decides what is written, the name of a town does not. (In a translation, think of names and numbers.) And to find
# the date, it is no use to look for digits: rooms and pounds have some as well.
#
# The model reads words; digits and signs are words of their own:

# %%
print(dates.split_words("ruth left oslo on 3 apr 1997"))

# %% [markdown]
# **Predict first:** the shortest line has six words. How many will the longest have?

# %%
date_accuracy.draw_lengths(test_lines)

# %% [markdown]
# The longest has 49. Lines that name one day are short; nearly all lines of more than 30 words name two. Remember this for section 7.
#
# No day occurs twice in the whole diary. So a model cannot learn the days of the test lines by heart: it must read.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 2")

# %% [markdown]
# ## 3. One vector for a whole line (14 minutes)
#
# The classic translator has two halves (Cho et al. 2014; Sutskever et al. 2014):
#
# - the **encoder** reads word by word, and keeps a **state**, a vector that it updates at each word. Ours, a **GRU**, reads the line in both directions;
# - its last state (one for each direction) is **one vector** for the whole line;
# - the **decoder** is a GRU too. At each step it gets this vector and the character that it has just written, updates its own state, and writes the next character.

# %%
encoder_decoder.draw_one_vector(["3", "apr", "1", "9", "9", "7"], list("1997-04"))

# %% [markdown]
# Here is all of it. You need not write this one; read it with the picture beside it. Look for `context`: it is what the decoder is told about the line. Without attention
# it is the one vector, at each step the same. (The lines for attention come to life in section 5.)
#
# | letter | what it counts |
# |---|---|
# | `b` | lines in the batch |
# | `tk` | words in the line |
# | `tq` | characters to be written |
# | `k` | numbers in a state |


# %% tags=["export"]
class DateTranslator(nn.Module):
    """Reads lines word by word, writes their dates character by character; looks back where it has an attention.

    Without one, the decoder is told the same vector at each step (Cho et al. 2014, 1406.1078); with one, a weighted
    average of all the encoder's states (Bahdanau et al. 2015, 1409.0473).
    """

    def __init__(self, hidden_dim: int, attention: nn.Module | None = None) -> None:
        super().__init__()
        self.word_vectors = nn.Embedding(len(date_batches.WORDS), 32)
        self.encoder = nn.GRU(32, hidden_dim // 2, batch_first=True, bidirectional=True)
        self.first_state = nn.Linear(hidden_dim, hidden_dim)
        self.character_vectors = nn.Embedding(len(date_batches.CHARACTERS), 32)
        self.decoder = nn.GRUCell(32 + hidden_dim, hidden_dim)
        self.to_logits = nn.Linear(2 * hidden_dim, len(date_batches.CHARACTERS))
        self.attention = attention
        self.weights: torch.Tensor | None = None  # of the last call, for pictures: (b, tq, tk)

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Words (b, tk) give a state for each (b, tk, k), and one vector for the line (b, k)."""
        lengths = mask.sum(dim=1).cpu()  # padding is not read
        packed = pack_padded_sequence(self.word_vectors(words), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=words.shape[1])  # (b, tk, k)
        return states, last.transpose(0, 1).flatten(1)  # last: (2, b, k / 2), one for each direction

    def forward(self, words: torch.Tensor, mask: torch.Tensor, target: torch.Tensor | None = None) -> torch.Tensor:
        """Words (b, tk), and a mask (b, tk) that is True at words, give logits (b, tq, c) for the characters.

        With a target (b, tq), each step is told the right character before it, whatever the model would have written.
        """
        states, one_vector = self.encode(words, mask)
        state = torch.tanh(self.first_state(one_vector))  # (b, k)
        previous = words.new_full((len(words),), date_batches.START)  # (b,)
        logits, weights = [], []
        for step in range(date_batches.MOST_CHARACTERS if target is None else target.shape[1]):
            if self.attention is None:
                context = one_vector  # (b, k): at each step the same
            else:
                context, looked_at = self.attention(state, states, mask)  # (b, k): at each step another one
                weights.append(looked_at.detach())
            state = self.decoder(torch.cat([self.character_vectors(previous), context], dim=-1), state)
            logits.append(self.to_logits(torch.cat([state, context], dim=-1)))  # (b, c)
            previous = logits[-1].argmax(dim=-1) if target is None else target[:, step]
        self.weights = torch.stack(weights, dim=1) if weights else None
        return torch.stack(logits, dim=1)


# %% [markdown]
# Training, next. At each step the model is told the *right* character before, not the one that it would have written, so one early mistake does not spoil the rest of the line.
# This is called **teacher forcing**. When we test, nobody helps: the model reads its own characters.


# %% tags=["export"]
def train_translator(
    model: nn.Module, lines: list[dates.Line], steps: int, learning_rate: float = 5e-3, batch_size: int = 64
) -> list[float]:
    """Teach a model, called as `model(words, mask, target)`, to write the lines' dates; gives the loss of each step."""
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    model.train()
    bar = tqdm(date_batches.batches(lines, steps, batch_size, seed=2021), total=steps, desc="training")
    for batch in bar:
        batch = batch.to(device)
        logits = model(batch.words, batch.mask, batch.target)  # (b, tq, c)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=date_batches.PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # a recurrent network's gradient can explode
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix_str(f"loss {losses[-1]:.2f}", refresh=False)
    model.eval()
    return losses


# %% [markdown]
# It takes about a quarter of a minute on a laptop.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(2021)
one_vector_model = DateTranslator(hidden_dim=68).to(DEVICE)
one_vector_losses = train_translator(one_vector_model, train_lines, STEPS)

# %% [markdown]
# What does it write for lines that it has never seen? A cross marks each line in which at least one character is wrong.

# %% tags=["nbval-ignore-output"]
by_one_vector = date_batches.write_dates(one_vector_model, test_lines, DEVICE)

for line, written in zip(test_lines[:8], by_one_vector, strict=False):
    print("right:", f"{line.iso:<22}", "written:", f"{written:<22}", "" if line.iso == written else "x")

# %% [markdown]
# It has understood what a date looks like.
#
# **Predict first:** a line counts only if *every* character is right. How will the share of such lines change, from the shortest to the longest?

# %%
date_accuracy.draw_exact_by_length(
    test_lines, {"one vector": by_one_vector}, title="One vector: the longer the line, the worse"
)

# %% [markdown]
# From more than half of the short lines, it falls to almost none of the long ones. Whatever the line says has to fit into the same 68 numbers, and has to survive
# every update of the state on its way there.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 3")

# %% [markdown]
# ## 4. Write it yourself: additive attention (12 minutes)
#
# How would *you* translate a long line? You would not learn it by heart: you would keep it before your eyes, and at each character look at the right word.
#
# The encoder's states are there, one for each word. So let each step of the decoder take a weighted average of them all (Bahdanau, Cho & Bengio 2015):

# %%
encoder_decoder.draw_shortcut(["3", "apr", "1", "9", "9", "7"], list("1997-0"), [0.04, 0.8, 0.1, 0.02, 0.02, 0.02])

# %% [markdown]
# The decoder's state, as the step before has left it, is the question, the **query** $q$. Each of the encoder's states is a **key** $k_i$. A small network gives the score:
#
# $$\text{score}_i = v^\top \tanh(W q + U k_i) \qquad \text{weights} = \text{softmax}(\text{score}_1, \text{score}_2, \dots) \qquad \text{context} = \sum_i \text{weight}_i \, k_i$$
#
# $W$ and $U$ are matrices that bring query and key to one width, where they are **added**: hence *additive* attention. $v$ is a vector. All three are learned, together with the rest.
#
# ### Exercise 1: additive attention
#
# Fill in three blanks (`...`):
#
# 1. `scores`: one for each key;
# 2. `weights`: the scores of each line as weights that add up to 1;
# 3. `context`: the keys averaged with these weights.
#
# Written for you: $W$, $U$ and $v$, and the **mask**, `True` at words and `False` at padding.
#
# <details><summary>Hint 1</summary>
#
# `self.W(query)` is (b, hidden) and `self.U(keys)` is (b, tk, hidden). To add the first to each of the tk rows of the second, it needs an axis of length 1 in the middle: `[:, None]`.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `self.v` turns (b, tk, hidden) into (b, tk, 1): the last axis has to go. For the context, give `weights` an axis at the end, (b, tk, 1), multiply, and add up over the keys. Or see it as a
# matrix product of (b, 1, tk) and (b, tk, k).
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 1: additive attention
class AdditiveAttention(nn.Module):
    """A weighted average of the keys, the weights scored by a small network (Bahdanau et al. 2015, 1409.0473)."""

    def __init__(self, query_dim: int, key_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.W = nn.Linear(query_dim, hidden_dim, bias=False)
        self.U = nn.Linear(key_dim, hidden_dim, bias=False)
        self.v = nn.Linear(hidden_dim, 1, bias=False)

    def forward(
        self, query: torch.Tensor, keys: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(b, q), (b, tk, k) and a mask (b, tk) give the context (b, k) and the weights (b, tk)."""
        # BEGIN SOLUTION
        # STUB: scores = ...  # (b, tk): v^T tanh(W q + U k)
        hidden = torch.tanh(self.W(query)[:, None] + self.U(keys))  # (b, tk, hidden)
        scores = self.v(hidden)[:, :, 0]  # (b, tk)
        # END SOLUTION
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        # BEGIN SOLUTION
        # STUB: weights = ...  # (b, tk): each line's weights add up to 1
        weights = torch.softmax(scores, dim=-1)
        # END SOLUTION
        if mask is not None:
            weights = weights.masked_fill(~mask, 0.0)  # a line with nothing to attend to: zeros, not NaN
        # BEGIN SOLUTION
        # STUB: context = ...  # (b, k)
        context = (weights[:, None] @ keys)[:, 0]
        # END SOLUTION
        return context, weights


# %% tags=["check"]
checks.additive_attention(AdditiveAttention)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import AdditiveAttention

# %% [markdown]
# Your layer at work, untrained: two queries look at the same six keys, of which the last two are padding.
#
# **Predict first:** which of the twelve weights are 0? And do you expect the others to be far apart?

# %% tags=["expected-output"]
torch.manual_seed(2021)
attention = AdditiveAttention(query_dim=5, key_dim=7, hidden_dim=16)
query = torch.randn(2, 5)
keys = torch.randn(1, 6, 7).repeat(2, 1, 1)  # the same keys for both
mask = torch.tensor([True, True, True, True, False, False]).expand(2, 6)

context, weights = attention(query, keys, mask)
plots.heatmap(
    weights,
    ["query 1", "query 2"],
    [f"key {number}" for number in range(1, 7)],
    title="Before training, about a quarter for each word",
    xlabel="key (5 and 6 are padding)",
    ylabel="",
    colour_label="weight",
    vmin=0,
    vmax=1,
)

# %% [markdown]
# The four weights of the padding are 0. The others lie near a quarter: the matrices are still random and their scores small, so the layer
# does not yet prefer any word by much.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 4")

# %% [markdown]
# ## 5. The same translator, with your attention (6 minutes)
#
# The same class, the same lines in the same order, the same number of steps. The states are a little narrower (64 numbers instead of 68), so that attention is not simply
# the larger model. (The decoder's own state still begins with the one vector; what it is told at each step is new.)

# %%
torch.manual_seed(2021)
attention = AdditiveAttention(query_dim=64, key_dim=64, hidden_dim=32)
attention_model = DateTranslator(hidden_dim=64, attention=attention).to(DEVICE)

for name, model in (("one vector", one_vector_model), ("attention", attention_model)):
    print(f"{name:>10}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters")

# %% [markdown]
# A step takes longer now, because each character looks at every word: about half a minute in all.

# %% tags=["nbval-ignore-output"]
attention_losses = train_translator(attention_model, train_lines, STEPS)

# %% [markdown]
# **Predict first:** draw the second curve in the air before you run the cell. Where does it start, where does it end?

# %%
by_attention = date_batches.write_dates(attention_model, test_lines, DEVICE)

date_accuracy.draw_exact_by_length(
    test_lines,
    {"one vector": by_one_vector, "attention": by_attention},
    title="With attention, long lines are no harder than short ones",
)

# %%
advantage = date_accuracy.longest_quarter(test_lines, by_attention)
advantage -= date_accuracy.longest_quarter(test_lines, by_one_vector)
print("on the longest quarter of the lines, at least 30 in 100 more are right:", advantage >= 0.30)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 5")

# %% [markdown]
# ## 6. What does it look at? (9 minutes)
#
# At each step the weights say how much the decoder took from which word. Put them together, a row for each character written, a column for each word read: this is an **alignment**.
# Nobody told the model which word belongs to which character. It saw lines and answers, no more.
#
# **Predict first:** in which order will the rows walk through this line?

# %%
text = "ruth left oslo on the twenty-third day of the month of september in the year nineteen hundred and eighty-seven"
decoding = decoding_player.decode_line(attention_model, text, DEVICE)
decoding_player.draw_alignment(decoding, title="The year from the end, then the month, then the day")

# %% [markdown]
# From the last words to the first: the diary says the day first, ISO wants the year. One vector has to keep the whole line ready for this; attention just looks again.
#
# Some digits can come from a single word only: the 8 from `eighty`, the 2 from `twenty`. Do they?

# %%
sources = {2: "eighty", 3: "seven", 6: "september", 8: "twenty", 9: "third"}  # place in 1987-09-23: word
most_looked_at = {place: decoding.words[decoding.weights[place].argmax()] for place in sources}
print("the 8, 7, 9, 2 and 3 come from the right words:", most_looked_at == sources)

# %% [markdown]
# Two days in one line, and numbers that lead astray. The space between the two days is drawn as `␣`.

# %%
two_days = "anna sold house 51 in lagos on 3 apr 1997; the choir met in room 44, friday the 12th of june, 1835"
decoding = decoding_player.decode_line(attention_model, two_days, DEVICE)
decoding_player.draw_alignment(decoding, title="House 51 and room 44 are passed over")

# %% [markdown]
# The same as a single step: what has been written, where the model looks now, what it might write.

# %%
decoding_player.draw_step(decoding, step=5)

# %% [markdown]
# Play it, or move through it with the slider. Choose another line or type one; words that the diary never uses are named.
#
# **Predict first:** before each step, point at the word that it will look at. And what does it look at for a hyphen? No word in the line says “hyphen”.

# %% tags=["nbval-ignore-output"]
decoding_player.decoding_player(attention_model, [two_days, text, *(line.text for line in test_lines[:6])], DEVICE)

# %% [markdown]
# For a hyphen the weight is spread: the decoder counts for itself when one is due. Part of the weight is already on the words that it needs next.
#
# **Think! 1.** Name three tasks, other than translation, in which a model should look back at its input while it writes. What would be the query, what the keys?
#
# And: both of our models are recurrent. Reading a line, could a computer with a thousand processors work on all words at the same time?

# %% [markdown] tags=["answer"]
# **One answer.** Three of many:
#
# - *Captions*: the model writes a sentence about a picture. Query: its state before the next word; keys: vectors of the picture's regions. It looks at the dog when it writes “dog”.
# - *Summaries*: keys are the sentences or words of the article. Names and numbers are copied, and must be found.
# - *Speech*: keys are slices of sound, some ten milliseconds each, far more of them than letters. The alignment walks along the sound.
#
# Also: answering questions about a text, naming what is wrong in a program, reading a protein.
#
# *Recurrence.* The state after word 5 is computed from the state after word 4, and that one from word 3. So a thousand processors would wait for each other: a line of 40 words takes 40 steps
# one after the other, and so does the way back, for the gradient. (Over the lines of a batch, and within a step, the work *can* be shared.) Attention has no such chain: all keys are scored at once. Lessons 2 to 4 ask what happens
# if you keep attention and leave out the recurrence. The answer is called a Transformer.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 6")

# %% [markdown]
# ## 7. Was it a fair comparison? (5 minutes, optional)
#
# Both models had about the same number of parameters, the same lines, and the same number of steps. But is it really the *length* that one vector cannot bear? Long lines tend to name two days. Separate the two:
#
# **Predict first:** one curve for lines with one day, one for lines with two. Will they fall with the length?

# %%
date_accuracy.draw_exact_by_days(
    test_lines, by_one_vector, title="One vector: what counts is how much there is to remember"
)

# %% [markdown]
# Among lines with one day, the long ones are no worse. The GRU has learned to let go of what nobody asks for: names, rooms, pounds. What it cannot hold, after these few steps, is *two days at once*. In most texts, though, more words do
# have more to say.
#
# And is it impossible for one vector, or just slow? We measured, on the longest quarter of the lines (set `STEPS` to 4000 at the top if you have five minutes):
#
# | model | steps | exactly right |
# |---|---|---|
# | one vector, 68 numbers | 400 | 0.01 |
# | one vector, 128 numbers, three times the parameters | 400 | 0.02 |
# | one vector, 68 numbers | 4,000 | 1.00 |
# | attention | 400 | 0.99 |
#
# So one vector gets there, with ten times the training. Attention does not make the impossible possible here: it makes it easy to learn. With longer texts the gap only grows.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("01, section 7")

# %% [markdown]
# ## Summary
#
# - Attention is a **weighted average**; its weights come from scores that depend on a question, through softmax.
# - An encoder-decoder without attention hands on **one vector**, whatever the text says. The more there is to remember, the worse it does.
# - You wrote `AdditiveAttention`: the decoder's state is the query, the encoder's states are the keys, and at each step the context is another average of them.
# - The **alignment** shows what was looked at when. It was learned from lines and answers alone.
#
# Next: in [lesson 2](02_queries_keys_values.ipynb) the score becomes simpler, a dot product, and what is looked for is separated from what is found.
#
# ## Where to read more
#
# - Bahdanau, Cho & Bengio (2015), [Neural machine translation by jointly learning to align and translate](https://arxiv.org/abs/1409.0473): alignments of real sentences in figure 3.
# - Lilian Weng, [Attention? Attention!](https://lilianweng.github.io/posts/2018-06-24-attention/): the kinds of attention, side by side.
# - Cho et al. (2014), [Learning phrase representations using RNN encoder-decoder](https://arxiv.org/abs/1406.1078): one vector, and the GRU.
# - Sutskever, Vinyals & Le (2014), [Sequence to sequence learning with neural networks](https://arxiv.org/abs/1409.3215).
#
# The video, and the order of ideas up to section 4, come from Neuromatch Academy's
# [W2D5 tutorial](https://deeplearning.neuromatch.io/tutorials/W2D5_AttentionAndTransformers/student/W2D5_Tutorial1.html) (CC BY 4.0). The words and the code are ours.

# %%
media.slides()
