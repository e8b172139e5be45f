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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/06_decoding_and_generation.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/06_decoding_and_generation.ipynb)
#
# # 6. Decoding, generation, and what it costs
#
# **After this lesson you can**
# - name the three places of attention in a Transformer that reads and writes, and say who may look at whom in each;
# - write the causal mask and the decoder block;
# - train a small language model, let it write, and steer it with the temperature;
# - say what writing costs, as big O, and why everybody keeps the keys and values of earlier words.
#
# **Time:** 95 minutes; the core path (sections 1 to 6) takes 85.
# **Before:** [lesson 4](04_transformer_block.ipynb) and [lesson 5](05_positional_encoding.ipynb), whose layers are used here.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys
from typing import Any

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import math
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from helpers import checks, date_batches, dates, media, plots
from helpers.data import load_sentences
from helpers.demos import cost, generation, influence
from helpers.demos.three_places import draw_three_places
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import (
    AdditiveAttention,
    DateTranslator,
    PositionalEncoding,
    SelfAttention,
    TransformerBlock,
    train_translator,
)
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # the film reviews are the same with both settings
STEPS = 1000  # how many batches the language model learns from

# %% [markdown]
# The video tells the story of sections 1 to 3 and of section 6, if you would rather listen first.

# %% tags=["nbval-ignore-output"]
media.video("kxn2qm6N8yU", "BV14q4y1H7SV", title="Decoding and what it costs")

# %% [markdown]
# ## 1. Three places of attention (8 minutes)
#
# So far your Transformer only reads. Now it will write: a translation, an answer, a story. It writes as you do, one word after the other, and at each step
# it may look at what it has written so far.
#
# The first Transformer (Vaswani et al. 2017) was a translator with two halves. The **encoder** reads the input, all at once. The **decoder** writes the output, word
# by word. Attention stands in three places.
#
# **Predict first:** in which of the three grids is something forbidden, and why there?

# %%
draw_three_places(["3", "apr", "1", "9", "9", "7"], list("1997-04-03"))

# %% [markdown]
# Each row is a query, each column a key, and a filled square means *may be looked at*:
#
# 1. **in the input**: each word looks at all words. That is lesson 4;
# 2. **in the output so far**: to find the character after this one, it may look at this one and those before it. What comes later is not written yet.
#    This is **causal** attention, the only grid in which something is forbidden;
# 3. **from output to input**: each character looks at the whole input. The queries come from the decoder, keys and values from the encoder. This is called
#    **cross-attention**, and what the encoder hands over, a vector for each word, is the **memory**.
#
# Not every model has all three. An encoder alone reads (BERT, lesson 8). A decoder alone, with place 2 only, continues a text; GPT is one. Both together
# translate.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 1")

# %% [markdown]
# ## 2. Do not look ahead (10 minutes)
#
# A model that writes is trained on finished texts. From `the film` it learns: after `t` comes `h`; after `th` comes `e`; after `the` comes a space. That is one
# question for every character, and we ask all of them in one go: the model is handed the whole text, and each place must predict the next.
#
# **Predict first:** you train such a model with attention from lesson 4, without any mask. Its loss falls almost to zero. Is it good?

# %%
text = "the film"
for place in range(3):
    print(f"place {place}: has {text[: place + 1]!r:>6}, must say {text[place + 1]!r}")

# %% [markdown]
# No, it is worthless: each place copies the answer from the next one. When it has to write, there is no next one.
#
# The remedy is a mask. As everywhere in this course, True means *may be attended to*.
#
# ### Exercise 6a: the causal mask
#
# `causal_mask(t)` returns a tensor of shape (t, t), of True and False. Row: the query. Column: the key. Each word may attend to itself and to all words before it.
#
# <details><summary>Hint 1</summary>
#
# Write the mask for three words on paper: a row for each query, a column for each key. Which of the nine places are True? What is the shape of the Trues?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.ones(t, t, dtype=torch.bool)` is True everywhere. `torch.tril` keeps the triangle below the diagonal, and the diagonal with it, and makes the rest False.
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 6a: the causal mask
def causal_mask(t: int) -> torch.Tensor:
    """True where a query may attend to a key: to itself and to what stands before it, (t, t)."""
    # BEGIN SOLUTION
    # STUB: return ...
    return torch.ones(t, t, dtype=torch.bool).tril()
    # END SOLUTION


# %% tags=["check"]
checks.causal_mask(causal_mask)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import causal_mask

# %% [markdown]
# Your mask at work, in the attention of lesson 3 with random weights. (␣ stands for the space.)
#
# **Predict first:** in which row is there a weight of exactly 1, whatever the weights of the layer are?

# %% tags=["expected-output"]
torch.manual_seed(5)
attention = SelfAttention(32, num_heads=1).eval()
embedding = nn.Embedding(16, 32)  # a vector for each character, random as before any training
x = embedding(torch.arange(8))[None]  # the eight characters of `the film` all differ: (b, t, k) = (1, 8, 32)
attention(x, causal_mask(8))

names = generation.names(text)
plots.heatmap(
    attention.attention.weights[0, 0],
    row_labels=names,
    column_labels=names,
    title="No weight falls on the future",
    xlabel="key",
    ylabel="query",
    colour_label="weight",
    annotate=True,
)

# %% [markdown]
# In the first: that character has only itself to look at. Its row is a 1 and seven zeros.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 2")

# %% [markdown]
# ## 3. The decoder block (20 minutes)
#
# The block of lesson 4 has two parts, each with a sum and a norm. The decoder block has three:
#
# | part | queries from | keys and values from | mask |
# |---|---|---|---|
# | self-attention | `x` | `x` | causal, and `mask` where there is one |
# | cross-attention | `x` | `memory` | `memory_mask` |
# | MLP | | | |
#
# Where there is no memory, the part in the middle is left out.
#
# ### Exercise 6b: the decoder block
#
# Fill in four blanks (`...`):
#
# 1. `allowed`: where there is a `mask` (say, for padding), *both* it and the causal mask must allow;
# 2. self-attention, add, `norm_1`;
# 3. cross-attention, add, `norm_2`;
# 4. MLP, add, `norm_3`.
#
# `SelfAttention` can do both: `attention(x, mask, context=memory)` takes keys and values from the memory. Dropout as in lesson 4: on the weights of both
# attentions (inside `SelfAttention`, written for you), and by `self.dropout` on what each of the three parts returns, *before* it is added to `x`. Nowhere else.
#
# <details><summary>Hint 1</summary>
#
# Three parts of one shape: something is computed from x, it is added to x, and the sum is normed. The block of exercise 4 has two such lines; the one for the memory
# stands between them.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# In the first line keys and values come from x, and the causal mask goes along; where there is a `mask` too, `&` joins the two. In the second, `context=memory` brings
# other keys and values, with their own mask.
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 6b: the decoder block
class DecoderBlock(nn.Module):
    """Causal self-attention, attention to a memory where there is one, MLP (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        hidden_dim = 2 * embed_dim if hidden_dim is None else hidden_dim
        self.self_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_1 = nn.LayerNorm(embed_dim)
        self.cross_attention = SelfAttention(embed_dim, num_heads, dropout=dropout)
        self.norm_2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, embed_dim))
        self.norm_3 = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        memory: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(b, t, k), and a memory (b, tk, k) where there is one, give (b, t, k).

        Masks: True = may be attended to. `mask`, for x, may have any shape that broadcasts to (b, h, t, t), such as
        (b, 1, 1, t) for padding; the causal mask holds besides, so both must allow. `memory_mask`, for the memory,
        broadcasts to (b, h, t, tk).
        """
        allowed = causal_mask(x.shape[1]).to(x.device)  # (t, t)
        if mask is not None:
            # BEGIN SOLUTION
            # STUB: allowed = ...  # both must allow
            allowed = allowed & mask
            # END SOLUTION
        # BEGIN SOLUTION
        # STUB: x = ...  # self-attention, add, norm_1
        x = self.norm_1(x + self.dropout(self.self_attention(x, allowed)))  # (b, t, k), as every line here
        # END SOLUTION
        if memory is not None:
            # BEGIN SOLUTION
            # STUB: x = ...  # cross-attention, add, norm_2
            x = self.norm_2(x + self.dropout(self.cross_attention(x, memory_mask, context=memory)))
            # END SOLUTION
        # BEGIN SOLUTION
        # STUB: return ...  # MLP, add, norm_3
        return self.norm_3(x + self.dropout(self.mlp(x)))
        # END SOLUTION


# %% tags=["check"]
checks.decoder_block(DecoderBlock)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import DecoderBlock

# %% [markdown]
# Your block at work. Swap one vector for another, and measure how far each character's result moves: on the left the characters of `x` are swapped,
# on the right the vectors of a memory.
#
# **Predict first:** which part of the left picture will be exactly 0? And of the right one?

# %% tags=["expected-output"]
torch.manual_seed(7)
block = DecoderBlock(32, num_heads=4).eval()
memory, other_memory = torch.randn(2, 1, 6, 32)  # as an encoder might hand over for six words: (b, tk, k) = (1, 6, 32)
others = embedding(torch.arange(8, 16))[None]

by_x = influence.influence(lambda x: block(x, memory), x, others)  # (8, 8)
by_memory = influence.influence(lambda memory: block(x, memory), memory, other_memory)  # (8, 6)
figure, axes = plots.panels(1, 2, width=9.8, height=4.4)
around = {"row_labels": names, "annotate": True, "vmin": 0, "vmax": 2}
plots.heatmap(by_x, column_labels=names, title="In x: only what comes later moves",
              xlabel="character that is swapped", ylabel="character whose vector moves", ax=axes[0, 0], **around)  # fmt: skip
plots.heatmap(by_memory, title="In the memory: everything moves",
              xlabel="place in the memory that is swapped", ylabel="", ax=axes[0, 1], **around)  # fmt: skip
figure

# %% [markdown]
# On the left, the half above the diagonal: no character hears of a later one. On the right, nothing is 0: every character hears every place of the memory.
# (The colours end at 2, to tell the small numbers apart.)
#
# ### Is it the real thing?
#
# Give torch's own layer your weights, and compare. The trap of lesson 4 again: in torch's masks True means *may not*.


# %%
def as_torch_layer(block: nn.Module, embed_dim: int, num_heads: int) -> nn.TransformerDecoderLayer:
    """torch's own decoder block, with this block's weights."""
    layer = nn.TransformerDecoderLayer(embed_dim, num_heads, block.mlp[0].out_features, dropout=0.0, batch_first=True)
    pairs = [(layer.linear1, block.mlp[0]), (layer.linear2, block.mlp[-1])]
    pairs += [(layer.norm1, block.norm_1), (layer.norm2, block.norm_2), (layer.norm3, block.norm_3)]
    for theirs, ours in ((layer.self_attn, block.self_attention), (layer.multihead_attn, block.cross_attention)):
        projections = [ours.to_queries.weight, ours.to_keys.weight, ours.to_values.weight]
        with torch.no_grad():
            theirs.in_proj_weight.copy_(torch.cat(projections))  # torch keeps the three in one matrix
            theirs.in_proj_bias.zero_()  # ours has none
        pairs.append((theirs.out_proj, ours.unify_heads))
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    return layer.eval()


# %%
memory_words = torch.tensor([[True] * 4 + [False] * 2])  # (b, tk): the last two places of the memory are padding

ours = block(x, memory, memory_mask=memory_words[:, None, None])  # (b, 1, 1, tk)
theirs = as_torch_layer(block, 32, 4)(x, memory, tgt_mask=~causal_mask(8), memory_key_padding_mask=~memory_words)
print(f"the largest difference is {(ours - theirs).abs().max():.5f}, among numbers as large as {ours.abs().max():.1f}")

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 3")

# %% [markdown]
# ## 4. A model that writes (20 minutes)
#
# Decoder blocks without a memory make a **language model**: it reads a text, and says for each place how likely each character is to come next. Ours learns from sentences of
# film reviews (Hutto & Gilbert 2014), in lower case. It works with characters, not words: the vocabulary is then small, and training takes half a minute
# (minutes, on a busy laptop). In what follows, ␣ is the space and ↵ the end of a line.

# %%
sentences = load_sentences("film reviews")
text = "\n".join(sentence.lower() for sentence in sentences)
characters = sorted(character for character in set(text) if text.count(character) >= 100)  # rare ones are left out
ids = torch.tensor([characters.index(character) for character in text if character in characters])  # (n,)

print(f"{len(sentences):,} sentences, {len(ids):,} characters, {len(characters)} different ones:")
print("".join(generation.names(characters)))

# %% [markdown]
# We keep the last tenth for testing. First something to beat: a model that knows how often each character occurs, and nothing else. The loss is the cross-entropy: minus the
# logarithm of the probability that the right character gets, on average.

# %%
train_ids, test_ids = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]

frequencies = torch.bincount(train_ids, minlength=len(characters)) / len(train_ids)  # (v,)
baseline = -frequencies[test_ids].log().mean().item()
print(f"character frequencies alone: a loss of {baseline:.2f}")

# %% [markdown]
# And here is the model. You know all its parts: embeddings, positions (lesson 5), decoder blocks, and a linear layer that gives a score, a **logit**, to each of the `v` characters.
#
# One line is new. The embeddings start with numbers of size $1/\sqrt{k}$ and are multiplied by $\sqrt{k}$, as in the first Transformer: then they are about
# as large as the positions that are added. Lesson 7 comes back to this.


# %% tags=["export"]
class LanguageModel(nn.Module):
    """Predicts at each place of a text what comes next: decoder blocks without a memory (as in Radford et al. 2018)."""

    def __init__(
        self, vocab_size: int, embed_dim: int, num_heads: int, depth: int, dropout: float = 0.0, max_len: int = 1024
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=embed_dim**-0.5)  # times sqrt(k): as large as the positions
        self.positions = PositionalEncoding(embed_dim, dropout, max_len)
        self.blocks = nn.ModuleList(DecoderBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth))
        self.to_logits = nn.Linear(embed_dim, vocab_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids (b, t) give logits (b, t, v): at each place, those of the next."""
        x = self.positions(self.embedding(ids) * math.sqrt(self.embedding.embedding_dim))  # (b, t, k)
        for block in self.blocks:
            x = block(x)
        return self.to_logits(x)


# %%
LENGTH = 64  # characters in a training text

torch.manual_seed(2021)
model = LanguageModel(len(characters), embed_dim=96, num_heads=4, depth=2).to(DEVICE)
print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters")

# %% [markdown]
# Each step takes 16 pieces of the text, from random places. The targets are the same pieces, one character further on: thanks to the causal mask, one pass asks 16 times 64 questions.
# The learning rate rises at first, then falls.


# %%
def pieces(ids: torch.Tensor, starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the model reads, (b, t), and what it must say, (b, t): the same, one place further on."""
    windows = ids[starts[:, None] + torch.arange(LENGTH + 1)].to(DEVICE)  # (b, t + 1)
    return windows[:, :-1], windows[:, 1:]


# %% tags=["nbval-ignore-output"]
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS, pct_start=0.1)
losses = []
bar = tqdm(range(STEPS), desc="training")
for _ in bar:
    inputs, targets = pieces(train_ids, torch.randint(len(train_ids) - LENGTH, (16,)))
    loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
    bar.set_postfix_str(f"loss {losses[-1]:.2f}", refresh=False)

# %%
every = max(1, STEPS // 40)
figure = plots.curves(
    range(every, STEPS + 1, every),
    {"language model": torch.tensor(losses)[: STEPS // every * every].view(-1, every).mean(dim=1)},
    title="It soon knows more than frequencies",
    xlabel="batches",
    ylabel="loss on the training text",
)
figure.axes[0].axhline(baseline, color=plots.VERMILION, linestyle="--")
figure.axes[0].annotate("frequencies alone", (STEPS / 2, baseline), xytext=(0, 4), textcoords="offset points")
figure

# %% [markdown]
# On the tenth that it has never seen:

# %%
model.eval()
inputs, targets = pieces(test_ids, torch.arange(0, len(test_ids) - LENGTH, 8 * LENGTH))
with torch.no_grad():
    test_loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).item()

print(f"test loss: {test_loss:.1f}; character frequencies alone: {baseline:.1f}")

# %% [markdown]
# ### Let it write
#
# Give it the beginning of a text. It gives a probability to each character. Draw one, append it, and ask again: so it writes, one character at a time.
#
# Before drawing, divide the logits by the **temperature**. Below 1 the likely characters become likelier still; above 1 all become more alike.
#
# **Predict first:** after `the film i`, which characters will the model expect? And how will the three pictures differ?


# %%
def encode(text: str) -> torch.Tensor:
    return torch.tensor([[characters.index(character) for character in text]], device=DEVICE)  # (1, t)


def logits_after(text: str) -> torch.Tensor:
    with torch.no_grad():
        return model(encode(text))[0, -1]  # (v,)


generation.draw_temperatures(logits_after("the film i"), characters, (0.3, 1.0, 2.0), "the film i")


# %% tags=["export"]
def choose(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> torch.Tensor:
    """Draw one of v characters for each text: logits (b, v) give ids (b, 1). At temperature 0, the likeliest."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    weights = torch.softmax(logits.double().cpu() / temperature, dim=-1)
    return torch.multinomial(weights, 1, generator=generator).to(logits.device)


@torch.no_grad()
def generate(model: nn.Module, ids: torch.Tensor, count: int, temperature: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Continue texts (b, t) by so many characters, (b, t + count). The same seed writes the same text again."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        logits = model(ids)[:, -1]  # (b, v): only the last place is news
        ids = torch.cat([ids, choose(logits, temperature, generator)], dim=1)
    return ids


# %% tags=["nbval-ignore-output"]
def decode(ids: torch.Tensor) -> str:
    return "".join(characters[number] for number in ids.tolist())


for temperature in (0.0, 0.5, 1.0):
    print(f"temperature {temperature}:", repr(decode(generate(model, encode("the film "), 55, temperature)[0])))

# %% [markdown]
# It has read one letter at a time, and nobody has told it what a word is. Does it write words all the same? Count how many of its words occur in the
# training text. It continues twenty beginnings of sentences to 64 characters and no further: longer texts it has never seen, and lesson 5 showed what a model does then.
#
# **Predict first:** at which temperature will most of its words exist?

# %% tags=["nbval-ignore-output"]
known = set(generation.split_words(decode(train_ids)))
start = encode("\n").expand(20, 1)

shares = {}
for temperature in tqdm((0.2, 0.5, 0.8, 1.1, 1.4, 2.0), desc="writing"):
    written = generate(model, start, 63, temperature)
    # The last word of each may be cut off in the middle, so it is left out.
    shares[temperature] = generation.share_of_known_words(
        " ".join(decode(row).rpartition(" ")[0] for row in written), known
    )

plots.curves(
    list(shares),
    {"written words that exist": list(shares.values())},
    title="The colder, the more of its words exist",
    xlabel="temperature",
    ylabel="share",
)

# %%
print(f"temperature 0.5: at least {int(10 * shares[0.5])} in 10 of its words exist")
print(f"temperature 2.0: fewer than {int(10 * shares[2.0]) + 1} in 10")

# %% [markdown]
# Try it. Move the slider, and change the beginning. At which temperature is the text best: not too dull, not too wild?

# %% tags=["nbval-ignore-output"]
generation.temperature_demo(
    write=lambda start, temperature: decode(generate(model, encode(start[-20:]), 44, temperature)[0]),  # 64 in all
    logits_after=lambda start: logits_after(start[-20:]),
    characters=characters,
    known=known,
)

# %% [markdown]
# That is a matter of taste. Near 0, the likeliest character at each step makes dull text that goes round in circles. A high temperature makes words that nobody knows.
# Large models face the same choice, and their setting has the same name.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 4")

# %% [markdown]
# ## 5. Keep what does not change (12 minutes)
#
# Look at `generate` again. To write character 50, the model goes through all 49 before it. For character 51 it does all that once more, and one character on top.
#
# **Predict first:** take the keys in the second block, once for `the fil` and once for `the film`. The two texts share seven characters. How many of these
# have another key in the longer text?

# %%
seen_keys = []
to_keys = model.blocks[1].self_attention.to_keys
watching = to_keys.register_forward_hook(lambda layer, inputs, keys: seen_keys.append(keys[0]))
for beginning in ("the fil", "the film"):
    logits_after(beginning)
watching.remove()

change = (seen_keys[1][:7] - seen_keys[0]).abs().amax(dim=1)  # (7,): the largest change in each character's key
for name, largest in zip(generation.names("the fil"), change, strict=True):
    print(f"{name:>7}: its key changes by at most {largest:.4f}")

# %% [markdown]
# None. Thanks to the causal mask, no character hears of those that come later, so its keys and values never change again. Keep them: a **key-value cache**.
# Then a new character needs one query, one key and one value, its own.
#
# **Look closely:** for which lines below does the work grow with the text, and for which does it not?


# %% tags=["export"]
def attend_with_cache(attention: SelfAttention, x: torch.Tensor, cache: dict[str, torch.Tensor]) -> torch.Tensor:
    """The newest word x (b, 1, k) attends to itself and all before it, whose keys and values the cache holds."""
    heads = (len(x), 1, attention.num_heads, attention.head_dim)
    for name, project in (("keys", attention.to_keys), ("values", attention.to_values)):
        new = project(x).view(heads)
        cache[name] = torch.cat([cache[name], new], dim=1) if name in cache else new  # (b, t, h, d)
    queries = attention.to_queries(x).view(heads)
    attended = attention.attention(queries, cache["keys"], cache["values"])  # (b, 1, h * d); no mask: all is past
    return attention.unify_heads(attended)


def step_with_cache(model: Any, ids: torch.Tensor, caches: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """The newest ids (b, 1) give logits (b, v), in eval mode; caches, one for each block, are empty at first."""
    place = caches[0]["keys"].shape[1] if caches[0] else 0
    x = model.embedding(ids) * math.sqrt(model.embedding.embedding_dim) + model.positions.encoding[place]  # (b, 1, k)
    for block, cache in zip(model.blocks, caches, strict=True):
        x = block.norm_1(x + attend_with_cache(block.self_attention, x, cache))
        x = block.norm_3(x + block.mlp(x))
    return model.to_logits(x[:, -1])


# %% [markdown]
# Two lines meet the whole text: `torch.cat`, which only copies, and `attention.attention`, in which one query meets all the keys. Everything else works on one
# character: the projections, the MLP, the norms, the logits.
#
# The rest is `generate` once more. It takes in the beginning character by character, and then each character that it has chosen.


# %% tags=["export"]
@torch.no_grad()
def generate_with_cache(
    model: Any, ids: torch.Tensor, count: int, temperature: float = 1.0, seed: int = 0
) -> torch.Tensor:
    """What `generate` writes, at a lower cost: (b, t) give (b, t + count)."""
    generator = torch.Generator().manual_seed(seed)
    caches: list[dict[str, torch.Tensor]] = [{} for _ in model.blocks]
    for place in range(ids.shape[1]):
        logits = step_with_cache(model, ids[:, place : place + 1], caches)
    for number in range(count):
        newest = choose(logits, temperature, generator)
        ids = torch.cat([ids, newest], dim=1)
        if number < count - 1:
            logits = step_with_cache(model, newest, caches)
    return ids


# %% [markdown]
# **Predict first:** will it write exactly the same text, or only a similar one?

# %%
start = encode("the film ")
for temperature in (0, 0.7, 1.0):
    plain = generate(model, start, 55, temperature, seed=6)
    cached = generate_with_cache(model, start, 55, temperature, seed=6)
    print(f"temperature {temperature}: {int((plain == cached).sum())} of {plain.numel()} characters are the same")

# %% [markdown]
# Exactly the same. The cache is no approximation; it only avoids doing things twice. The price is storage: for each character so far, a key and a value of
# 96 numbers in each of two blocks.

# %%
caches = [{} for _ in model.blocks]
sizes = []
for number in encode("the film is a story")[0]:
    step_with_cache(model, number.view(1, 1), caches)
    sizes.append(sum(kept.numel() for cache in caches for kept in cache.values()))

plots.curves(
    range(1, len(sizes) + 1),
    {"numbers kept": sizes},
    title="The cache grows by the same amount at each step",
    xlabel="characters taken in",
    ylabel="numbers in the cache",
)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 5")

# %% [markdown]
# ## 6. What it costs (15 minutes)
#
# Count multiplications. A matrix product of (a, b) with (b, c) takes $a \cdot b \cdot c$ of them. What matters is how the count *grows*. **Big O** drops constant
# factors, and every term that another one always outgrows. So $8 n k^2 + 2 n^2 k$, lesson 4's count for a block, is $O(n k^2 + n^2 k)$: which of the two terms is larger depends on $n$ and $k$, so both stay.
#
# **Think! 6.** A Transformer of width $k$ reads $n$ words, then writes $m$ words, one at a time. One encoder block, one decoder block.
#
# 1. What does reading cost, as big O?
# 2. What does writing cost without a cache? Do not forget cross-attention.
# 3. And with one?
#
# Write your three answers down before you go on.

# %% [markdown] tags=["answer"]
# **One answer.**
#
# 1. *Reading:* the projections and the MLP take $O(k^2)$ for each word, scores and averages $O(k)$ for each pair of words: $O(n k^2 + n^2 k)$. Short texts pay for
#    the width, long texts for the pairs; the two terms of $8 n k^2 + 2 n^2 k$ are equal at $n = 4k$.
# 2. *Writing without a cache:* word $i$ goes through everything again. The $i$ words so far: $O(i k^2 + i^2 k)$. Cross-attention: keys and values of the memory, $O(n k^2)$,
#    and $i \cdot n$ pairs, $O(i n k)$. Added up over $i = 1 \dots m$, where $1 + 2 + \dots + m$ is about $m^2 / 2$ and $1 + 4 + \dots + m^2$ about $m^3 / 3$: $O(m^2 k^2 + m^3 k + m n k^2 + m^2 n k)$.
# 3. *With a cache:* word $i$ is projected alone, $O(k^2)$, and its one query meets $i + n$ keys, $O((i + n) k)$. Added up, and the memory's keys and values made once: $O(m k^2 + m^2 k + m n k + n k^2)$.
#    Each power of $m$ has come down by one. It is slower than reading $m$ words all the same: reading is one large matrix product, writing is $m$ small ones, one after the other.

# %% [markdown]
# ### Does the count agree with torch?
#
# Now with all constant factors, part by part, for blocks as we built them:
#
# | part | for each word | for each pair of query and key |
# |---|---|---|
# | self-attention | $4 k^2$: queries, keys, values, `unify_heads` | $2k$: score and average |
# | MLP of width $2k$ | $4 k^2$ | |
# | cross-attention | $2 k^2$: queries, `unify_heads`; and $2 k^2$ for each word of the memory: keys, values | $2k$ |
#
# Cross-attention is there only where there is a memory. So, with $n$ words in the memory:
#
# - reading $n$ words: $8 n k^2 + 2 n^2 k$
# - decoder, $m$ words at once: $8 m k^2 + 2 m^2 k$, and for the memory $2 m k^2 + 2 n k^2 + 2 m n k$
# - decoder with a cache, word number $i$: $8 k^2 + 2 i k$, and for the memory $2 k^2 + 2 n k$; its keys and values, $2 n k^2$, are made once, before the first word
#
# Pairs are counted whole: torch multiplies the masked half too, and throws it away. torch can count for itself. It counts a multiplication and an addition as two operations, hence the `/ 2`.


# %%
def counted_by_torch(run) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops() / 2


n, m, k = 40, 25, 64
encoder_block, decoder_block = TransformerBlock(k, num_heads=4).eval(), DecoderBlock(k, num_heads=4).eval()
x, memory = torch.randn(1, m, k), torch.randn(1, n, k)

for name, ours, theirs in (
    ("reading", 8 * n * k**2 + 2 * n**2 * k, counted_by_torch(lambda: encoder_block(memory))),
    ("decoder, no memory", 8 * m * k**2 + 2 * m**2 * k, counted_by_torch(lambda: decoder_block(x))),
    ("decoder", cost.whole_pass(n, m, k), counted_by_torch(lambda: decoder_block(x, memory))),
):
    print(f"{name:>18}: {ours:,} by the formula; torch counts {theirs / ours:.2f} times as many")

# %% [markdown]
# And the model that writes, with its cache: after 30 characters, the next one goes through two blocks and the last layer.

# %%
caches = [{} for _ in model.blocks]
for number in encode("the film is a story of the man")[0]:
    step_with_cache(model, number.view(1, 1), caches)

theirs = counted_by_torch(lambda: step_with_cache(model, encode("y"), caches))
i, k = 31, 96
ours = 2 * (8 * k**2 + 2 * i * k) + k * len(characters)
print(f"{ours:,} by the formula; torch counts {theirs / ours:.2f} times as many")

# %% [markdown]
# Now the whole story. On the left, what each written word costs; on the right, what all of it costs.
#
# **Predict first:** which line on the left will grow? With a cache, what costs more, reading 64 words or writing 64? And by which factor will the
# middle bar grow if you double $m$: 2, 4 or 8?

# %%
cost.draw_cost(n=64, m=64, k=128)

# %% [markdown]
# The line without a cache grows, since each word redoes all those before it; the other one is almost flat. Writing costs more than reading, 14 million against 9.4: each written
# word also looks at the memory. And doubling $m$:

# %%
for m in (64, 512, 4096, 32768):
    for cached in (False, True):
        factor = cost.writing(64, 2 * m, 128, cached) / cost.writing(64, m, 128, cached)
        print(f"{m:>6} to {2 * m:>6} words, {'with a cache:' if cached else 'no cache:':>13} times {factor:.1f}")

# %% [markdown]
# From 64 words on, nearly 4 times without a cache and nearly twice with one. Only for very long texts is it 8 times and 4 times. Without a cache, all words together cost about
# $4 m^2 k^2 + \frac{2}{3} m^3 k$, with one about $8 m k^2 + m^2 k$ (and the memory's share). As long as $m$ is far below $6k$, the first term of each rules: a square without a cache, a straight line with one. Far above, it is a cube and a square.
#
# **Predict first:** which of the three sliders changes most how many times fewer multiplications the cache needs?

# %% tags=["nbval-ignore-output"]
cost.cost_demo()

# %% [markdown]
# $m$: with 8 written words the cache saves a factor of 7, with 1,024 nearly 600. $n$ and $k$ change both bars alike, more or less.
#
# ### And in seconds
#
# Counting is not timing. So let us measure our model: how long does one more character take, after so many? (After 64 characters it would write nonsense, but
# the time does not depend on what it writes.)


# %% tags=["nbval-ignore-output"]
def with_cache(length: int):
    caches = [{} for _ in model.blocks]
    shape = (1, length, 4, 24)  # (b, t, h, d): which numbers stand there makes no difference to the time
    for cache in caches:
        cache.update(keys=torch.randn(shape, device=DEVICE), values=torch.randn(shape, device=DEVICE))
    return lambda: step_with_cache(model, encode("e"), [dict(cache) for cache in caches])


def without_cache(length: int):
    ids = encode("e").expand(1, length + 1)
    return lambda: model(ids)[:, -1]


lengths = [16, 32, 64, 128, 256, 512, 1000]
with torch.no_grad():
    seconds = cost.seconds_per_word({"without a cache": without_cache, "with a cache": with_cache}, lengths)
cost.draw_seconds(lengths, seconds)

# %% [markdown]
# The lower line is almost flat: one character is so little work that most of the time goes into starting each operation. The upper line begins there too, and is as flat
# at first. Then the two terms of a block show, $8 t k^2$ and $2 t^2 k$. With $k = 96$ they are equal at $t = 4k = 384$. Beyond, the second one rules, and twice the
# length takes four times the multiplications. (On the clock it can be more: lesson 4 says why.)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 6")

# %% [markdown]
# ## 7. Lesson 1's dates, by a Transformer (10 minutes, optional)
#
# In lesson 1 a GRU with attention learned to read a diary and to write its dates. Now you have all the parts to do it without any recurrence: an encoder of blocks from lesson 4, and a
# decoder of yours. All three places of attention are at work. The decoder must have something to look at before it writes the first character: every date begins with
# a sign for that, `START`.


# %% tags=["export"]
class DateTransformer(nn.Module):
    """Does what `DateTranslator` of lesson 1 does, with an encoder and a decoder of Transformer blocks."""

    def __init__(self, embed_dim: int, num_heads: int, depth: int = 1) -> None:
        super().__init__()
        self.words = nn.Embedding(len(date_batches.WORDS), embed_dim)
        self.characters = nn.Embedding(len(date_batches.CHARACTERS), embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout=0.0)
        self.encoder = nn.ModuleList(TransformerBlock(embed_dim, num_heads, dropout=0.0) for _ in range(depth))
        self.decoder = nn.ModuleList(DecoderBlock(embed_dim, num_heads, dropout=0.0) for _ in range(depth))
        self.to_logits = nn.Linear(embed_dim, len(date_batches.CHARACTERS))

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Words (b, tk) give the memory (b, tk, k)."""
        x = self.positions(self.words(words))
        for block in self.encoder:
            x = block(x, mask[:, None, None])  # (b, 1, 1, tk): True at words
        return x

    def decode(self, written: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Characters so far (b, tq) give logits (b, tq, c): at each place, those of the next."""
        x = self.positions(self.characters(written))
        for block in self.decoder:
            x = block(x, memory, memory_mask=mask[:, None, None])
        return self.to_logits(x)

    def forward(self, words: torch.Tensor, mask: torch.Tensor, target: torch.Tensor | None = None) -> torch.Tensor:
        """Words (b, tk) and a mask (b, tk), True at words, give logits (b, tq, c); with a target, in a single pass."""
        memory = self.encode(words, mask)
        written = words.new_full((len(words), 1), date_batches.START)  # (b, 1)
        if target is not None:
            return self.decode(torch.cat([written, target[:, :-1]], dim=1), memory, mask)
        for _ in range(date_batches.MOST_CHARACTERS):
            logits = self.decode(written, memory, mask)
            written = torch.cat([written, logits[:, -1:].argmax(dim=-1)], dim=1)
        return logits


# %% [markdown]
# Compare `forward` with the loop in lesson 1: in training, the GRU takes one step after the other; the causal mask lets the Transformer do all places of the date at once.
#
# **Predict first:** a Transformer's batch takes less time than a GRU's. So give it twice as many. Which of the two will have more lines right, and which will have trained for
# longer?

# %% tags=["nbval-ignore-output"]
train_lines, test_lines = dates.make_lines(train=20_000, test=1_000, seed=2021)  # the diary of lesson 1

results = {}
torch.manual_seed(2021)
for name, translator, steps, learning_rate in (
    ("GRU with attention, 200 batches", DateTranslator(64, AdditiveAttention(64, 64, 32)), 200, 5e-3),
    ("Transformer, 400 batches", DateTransformer(64, num_heads=4), 400, 3e-3),
):
    started = time.perf_counter()
    train_translator(translator.to(DEVICE), train_lines, steps, learning_rate)
    seconds = time.perf_counter() - started
    written = date_batches.write_dates(translator, test_lines, DEVICE)
    right = sum(line.iso == text for line, text in zip(test_lines, written, strict=True))
    results[name] = (right / len(test_lines), seconds)

# %%
figure, axes = plots.panels(2, 1, width=7.5, height=3.6)
for axis, place, title, xlabel in (
    (axes[0, 0], 0, "How many lines are exactly right", "share of the test lines"),
    (axes[1, 0], 1, "How long training took here", "seconds"),
):
    values = [result[place] for result in results.values()]
    plots.bars(list(results), values, title=title, xlabel=xlabel, ax=axis)
figure

# %% [markdown]
# Where this page was written, on one core, both trained for about as long. The GRU then had about 0.41 of the lines right, and the Transformer 0.29. So the Transformer is no miracle. Its batches take less time, but it
# needs more of them: a GRU knows from the start what comes after what, a Transformer must learn to use its positions. On short lines and one core the GRU wins. The Transformer's
# advantage, all places at once, grows with the length of the text and with the number of processors (lesson 4 measured it).

# %% tags=["form", "nbval-ignore-output"]
feedback_box("06, section 7")

# %% [markdown]
# ## Summary
#
# - Attention stands in three places: in the input, in the output so far (causal), and from output to input (cross-attention).
# - You wrote `causal_mask` and `DecoderBlock`. With the causal mask, one pass trains all places of a text at once.
# - A decoder without a memory is a language model. It writes by drawing one character after the other; the temperature says how daring it is.
# - What is past never changes, so keys and values are kept. The text stays the same to the last character. Writing $m$ words then costs about $8 m k^2 + m^2 k$ in a block, not $4 m^2 k^2 + \frac{2}{3} m^3 k$: each power of $m$ comes down by one. With $m$ far below $6k$, a square becomes a straight line; far above, a cube becomes a square.
#
# Next: in [lesson 7](07_train_a_transformer.ipynb) you train an encoder to say what a review thinks of its film.
#
# ## Where to read more
#
# - Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762), sections 3.1 and 4: the decoder, and a table of costs.
# - Sasha Rush, [The annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/): encoder, decoder and masks, line by line.
# - torch's pages for [TransformerDecoderLayer](https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerDecoderLayer.html) and [Transformer](https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html).
# - A primer on big O: [Big O notation](https://en.wikipedia.org/wiki/Big_O_notation), the section on orders of common functions.
# - Radford et al. (2018), [Improving language understanding by generative pre-training](https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf): the first GPT, a decoder alone.
#
# The video and the question about the cost come from Neuromatch Academy's
# [W2D5 tutorial](https://deeplearning.neuromatch.io/tutorials/W2D5_AttentionAndTransformers/student/W2D5_Tutorial1.html) (CC BY 4.0).
# The words and the code are ours.

# %%
media.slides()
