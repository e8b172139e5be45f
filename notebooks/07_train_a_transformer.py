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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/07_train_a_transformer.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/07_train_a_transformer.ipynb)
#
# # 7. Train a Transformer
#
# **After this lesson you can**
# - turn texts into batches of numbers, and say what padding costs and where it can do harm;
# - put a whole Transformer together from the layers you wrote, and train it on a laptop;
# - say whether what it learned is worth anything, with two baselines beside it;
# - find out which words a prediction hangs on.
#
# **Time:** 75 minutes; the core path (sections 1 to 6) takes 65.
# **Before:** [lesson 4](04_transformer_block.ipynb) and [lesson 5](05_positional_encoding.ipynb), whose layers are used here.

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
from torch.nn import functional as F

from helpers import checks, media, plots
from helpers.batches import make_loader, pad
from helpers.data import load_reviews
from helpers.demos import padding, predict_rating
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import PositionalEncoding, TransformerBlock
from helpers.reports.training import plot_history
from helpers.seeding import set_seed
from helpers.training import evaluate, train

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "sample", or "full" for Yelp (section 7 says what that takes)

# %% [markdown]
# ## 1. Reviews, and how many stars they gave (8 minutes)
#
# Read a review, and say how many stars it gave, 1 to 5. People find that easy. Can the layers that you wrote learn it, from examples alone, in a minute?
#
# The sample holds sentences from reviews of films and products. People rated them from -4 to +4 (Hutto & Gilbert 2014). Cut into
# five levels, these ratings stand in for stars.

# %%
sizes = {"sample": {"batch_size": 64, "max_len": 64}, "full": {"batch_size": 32, "max_len": 256}}
reviews = load_reviews(DATA, **sizes[DATA])

print(f"{reviews.title}: {len(reviews.train):,} to learn from, {len(reviews.test):,} held out")
for place in (2382, 577, 45):
    review = reviews.train[place]
    print(f"\n{reviews.label_names[review['label']]}: {review['text']}")

# %% [markdown]
# The held-out reviews play no part in learning. Only they can tell you whether a model has understood something, or has learned its
# examples by heart.
#
# **Predict first:** suppose a “model” gives the same answer to every review, the most frequent number of stars. How often is it right?

# %%
labels = torch.tensor(reviews.test["label"][:])
shares = torch.bincount(labels, minlength=reviews.num_classes) / len(labels)
plots.bars(
    reviews.label_names, shares, title="The most frequent class is a third", xlabel="share of the held-out reviews"
)

# %% [markdown]
# One in three: it would always say 5 stars. Remember that bar. It is a **baseline**: a model that does not beat it has learned nothing.

# %% tags=["form"]
feedback_box("07, section 1")

# %% [markdown]
# ## 2. From text to numbers (10 minutes)
#
# A model reads numbers. A **tokenizer** cuts a text into **subwords**, and looks up the number of each, its **id**, in a vocabulary. Ours is
# BERT's. (`add_special_tokens=False` leaves out two marks that lesson 8 needs.)
#
# **Predict first:** *unbelievably* is a rare word. Guess how it is cut.

# %%
tokenizer = reviews.tokenizer
text = "An unbelievably good ENGLISH film!"
ids = tokenizer(text, add_special_tokens=False)["input_ids"]

print("subwords:", tokenizer.convert_ids_to_tokens(ids))
print("ids:     ", ids)
print("back:    ", tokenizer.decode(ids))

# %% [markdown]
# *unbelievably* becomes five pieces: un, bel, ie, va, bly. Not where a grammar book would cut: the vocabulary was made by counting which letters often stand together. Frequent words stay
# whole, rare ones fall into pieces, and `##` says “no space before this one”. So nearly every word can be written.
#
# The capitals did not come back. This tokenizer is **uncased**: it turns everything into small letters first. `English` and `ENGLISH` then
# share one row of the model's table, and what the model learns about one holds for the other. A **cased** tokenizer keeps them apart. It can tell `Apple` from
# `apple`, but it has more words to learn.

# %%
for word in ("english", "English", "ENGLISH"):
    print(f"{word}: {tokenizer(word, add_special_tokens=False)['input_ids']}")

# %% [markdown]
# All texts in a batch must have the same length. So the short ones are filled up with **padding**, and a **mask** remembers which places hold words. On the
# left, the first 64 reviews as they come; on the right, the first batch of our loader, which puts texts of about the same length together.

# %%
batch = next(iter(reviews.train_loader))
_, as_they_come = pad(reviews.train_token_ids[:64], tokenizer.pad_token_id)

figure, axes = plots.panels(1, 2, width=7.5, height=3.6, sharex=True, sharey=True)
for ax, mask, title in zip(axes[0], (as_they_come, batch.mask), ("As they come", "Similar lengths"), strict=True):
    ax.imshow(mask, aspect="auto", interpolation="none", vmin=0, vmax=1)
    ax.set(title=f"{title}: words are bright", xlabel="place in the text")
axes[0, 0].set(ylabel="text of the batch", xlim=(-0.5, as_they_come.shape[1] - 0.5))  # for both
figure

# %% [markdown]
# The dark part is work for nothing. The right batch ends where its longest text does: each batch is padded to *its own* longest text.
#
# The lazy way is to pad everything to 512, the most that BERT can read. **Predict first:** how much more work is that than our loader makes: 2 times, 5 times, 20 times as much?

# %%
lengths = [len(ids) for ids in reviews.train_token_ids]
padding.draw_padding(lengths, reviews.train_loader)

# %% [markdown]
# 6.23 million places instead of 0.30: twenty times as much. On a laptop that is the difference between a minute and a coffee break, and attention's cost even grows with the *square* of the length.
# (The few texts above `max_len` were cut, hence the little bar at the right end.)
#
# Now a trap. The model must know three numbers: the length of the longest text, the number of classes, the size of the vocabulary. Why not read them off
# the batch we have at hand?

# %%
small = batch.labels[:3]
print("longest text, says this batch:", batch.token_ids.shape[1], "| says the data:", reviews.longest)
print("classes, say its first three labels:", int(small.max()) + 1, "| says the data:", reviews.num_classes)
print("vocabulary, says its largest id:", int(batch.token_ids.max()) + 1, "| says the tokenizer:", reviews.vocab_size)

# %% [markdown]
# A batch shows what happens to be in it. Build on that, and the mistake surfaces later, in another batch:

# %%
too_short = PositionalEncoding(128, max_len=batch.token_ids.shape[1])
longest_batch = max(reviews.train_loader, key=lambda other: other.token_ids.shape[1])
try:
    too_short(torch.zeros(*longest_batch.token_ids.shape, 128))
except ValueError as error:
    print(error)

# %% [markdown]
# That was the lucky case: the message says what is wrong. With too few classes you would read `Target 4 is out of bounds`, somewhere inside the loss. On a GPU, an id beyond the table stops the
# program at some later line that has nothing to do with it. So read these numbers off the *data*: `reviews.longest`, `reviews.num_classes`, `reviews.vocab_size`.

# %% tags=["form"]
feedback_box("07, section 2")

# %% [markdown]
# ## 3. Write it yourself (20 minutes)
#
# You have all the parts. From token ids to logits:
#
# | step | shape | where from |
# |---|---|---|
# | **embedding**: a row of a table for each token | (b, t, k) | `nn.Embedding` |
# | times $\sqrt{k}$, plus positions | (b, t, k) | lesson 5 |
# | blocks, one after the other from the first on | (b, t, k) | lesson 4 |
# | the mean over the words: one vector for each text | (b, k) | new |
# | a linear layer: a number for each of c classes, the **logits** | (b, c) | `nn.Linear` |
#
# Why times $\sqrt{k}$? Compare the sizes of the numbers. The table starts out with standard deviation $1/\sqrt{k}$.

# %%
k = 128
table = torch.randn(1000, k) * k**-0.5  # (tokens, k): vectors as they are before training
positions = PositionalEncoding(k, dropout=0.0)(torch.zeros(1, 64, k))
typical = [numbers.square().mean().sqrt() for numbers in (table, math.sqrt(k) * table, positions)]
plots.bars(
    ["words, from the table", "words, times root of k", "positions"],
    typical,
    title="Scaled, words can be heard beside their positions",
    xlabel="typical size of a number (root of the mean square)",
)

# %% [markdown]
# Unscaled, the words would drown in their positions: 0.09 beside 0.71. (Why start with such small numbers? In Vaswani et al. 2017, section 3.4, the same table also makes the logits at the
# end, where small numbers are wanted.)
#
# And the mean is over the *words*. With padding in it, a text's vector would depend on its batch.
#
# ### Exercise 7: a Transformer that classifies texts
#
# Fill in three blanks (`...`):
#
# 1. `x`: the words' vectors, times $\sqrt{k}$, with positions;
# 2. `total`: for each text, the sum of its words' vectors, **without the padding**;
# 3. `pooled`: the sum as a mean.
#
# Written for you: the layers, the blocks with the mask in the shape they want, (b, 1, 1, t), and the classifier. Dropout is inside the layers already: add none. Divide by `counts`, which is at least 1, so that a text without
# any word gets zeros.
#
# <details><summary>Hint 1</summary>
#
# Say aloud what happens to one token id: it becomes a row of the embedding, that row is multiplied by the root of k, then its position is added. Which two layers do that,
# and which comes first?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A vector of zeros adds nothing to a sum. So set the vectors at the padding to zero first; the mask is (b, t) and x is (b, t, k): which axis does the mask lack? Then add up
# along the words' axis.
#
# </details>


# %% tags=["exercise"]
# Exercise 7: a Transformer that classifies texts
class Transformer(nn.Module):
    """Embeddings, positions, blocks, the mean over the words, a linear classifier."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        depth: int,  # how many blocks
        max_len: int,
        vocab_size: int,
        num_classes: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=embed_dim**-0.5)  # about 1, once it is multiplied by sqrt(k)
        self.positions = PositionalEncoding(embed_dim, dropout, max_len)
        self.blocks = nn.ModuleList([TransformerBlock(embed_dim, num_heads, dropout=dropout) for _ in range(depth)])
        self.classifier = nn.Linear(embed_dim, num_classes)

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Token ids (b, t), and a mask (b, t), True at words wherever they stand, give logits (b, c). No mask: all words."""
        if mask is None:
            mask = torch.ones_like(token_ids, dtype=torch.bool)
        x = ...  # (b, t, k): embeddings times the root of k, with positions
        for block in self.blocks:
            x = block(x, mask[:, None, None, :])  # (b, t, k)
        counts = mask.sum(dim=1, keepdim=True).clamp(min=1)  # (b, 1): how many words each text has
        total = ...  # (b, k): the sum over the words, without the padding
        pooled = ...  # (b, k): the mean
        return self.classifier(pooled)


# %% tags=["check"]
checks.transformer(Transformer)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import Transformer

# %% [markdown]
# Your model at work, before any training. One review, with more and more padding behind it: once with the mask, once without, so that the padding
# counts as words.
#
# **Predict first:** which of the two lines moves?

# %% tags=["expected-output"]
set_seed(2021)
untrained = Transformer(128, 8, 3, 512, reviews.vocab_size, reviews.num_classes).eval()
token_ids = torch.tensor([reviews.train_token_ids[9]])  # (1, t)
more = list(range(0, 41, 4))
with_mask, without = [], []
for n in more:
    padded = F.pad(token_ids, (0, n))  # (1, t + n)
    mask = torch.arange(padded.shape[1])[None] < token_ids.shape[1]
    with torch.no_grad():
        with_mask.append(untrained(padded, mask).softmax(dim=1)[0, 0])
        without.append(untrained(padded).softmax(dim=1)[0, 0])
plots.curves(
    more,
    {"with the mask": with_mask, "without": without},
    title="With the mask, padding changes nothing",
    xlabel="tokens of padding",
    ylabel="probability of 1 star",
)

# %% tags=["form"]
media.what_you_should_see("07_train_a_transformer_1")

# %% [markdown]
# The line without the mask moves. The review has not changed, only its padding. Without the mask, its rating would depend on the company it keeps in its batch.

# %% tags=["form"]
feedback_box("07, section 3")

# %% [markdown]
# ## 4. Train it (12 minutes)
#
# What is a good prediction? Softmax turns the logits into probabilities. The **cross-entropy** is minus the logarithm of the probability that
# the model gave to the *right* class: 0 if it was certain and right, large if it was certain and wrong. With the natural logarithm, its unit is called **nats**.
#
# **Predict first:** a model that knows nothing gives each of five classes the probability 0.2. What is its cross-entropy?

# %%
probability = torch.linspace(0.01, 1, 100)
figure = plots.curves(
    probability,
    {"−log p": -probability.log()},
    title="Cross-entropy: certain and wrong is expensive",
    xlabel="probability p that the model gave to the right class",
    ylabel="loss (nats)",
)
figure.axes[0].plot([0.2], [math.log(5)], "o", color=plots.VERMILION)
figure.axes[0].annotate("knows nothing: log 5 = 1.61", (0.2, math.log(5)), xytext=(10, 6), textcoords="offset points")
figure

# %%
logits = torch.tensor([[2.0, 0.0, -1.0, 0.5, 0.0]])  # of one review with 4 stars: label 3
by_hand = -logits.softmax(dim=1)[0, 3].log()
print(f"by hand: {by_hand:.4f}, torch: {F.cross_entropy(logits, torch.tensor([3])):.4f}")

# %% [markdown]
# `F.cross_entropy` takes *logits* and applies softmax itself. So your model must not.
#
# This lesson's model is 128 wide, with 8 heads and 3 blocks. **Predict first:** which part holds most of its numbers?

# %%
set_seed(2021)
model = Transformer(
    embed_dim=128,
    num_heads=8,
    depth=3,
    max_len=reviews.longest,
    vocab_size=reviews.vocab_size,
    num_classes=reviews.num_classes,
    dropout=0.0,
)
sizes_of_parts = {
    name: sum(parameter.numel() for parameter in part.parameters()) / 1e3 for name, part in model.named_children()
}
plots.bars(
    list(sizes_of_parts),
    list(sizes_of_parts.values()),
    title="Most numbers are in the table",
    xlabel="thousand parameters",
    value_format=",.1f",
)

# %% [markdown]
# Ten of eleven numbers belong to the embedding: a row for each of 30,522 tokens. The blocks, which do the thinking, are small. The positions are computed, so there is nothing to learn.
#
# (Why `dropout=0.0`? We tried both: over two passes, dropout gained nothing, and took a quarter more time.)
#
# `train` is a loop that you could write. For each batch: the logits, the cross-entropy, `backward`, a step of the optimizer. After each pass over the
# data, an **epoch**, it measures the loss on the held-out reviews, in eval mode and without gradients. It takes about half a minute.
#
# **Predict first:** where will the loss start, and how low will the test loss get?

# %%
reviews = load_reviews(DATA, **sizes[DATA])  # anew: the same order of texts, however many batches you looked at
history = train(model, reviews.train_loader, reviews.test_loader, epochs=2, learning_rate=1e-3, device=DEVICE)

# %%
plot_history(history)

# %% [markdown]
# The loss starts near 1.61, that of a model that knows nothing, and falls. The dots are the test loss after each epoch: these are the ones that count.
#
# Look at the second epoch. The training loss takes a step down, because the model sees each text for the *second* time. The test loss follows only part of the way. The gap between
# the two is what it has learned by heart. Section 7 shows what happens when you go on.

# %%
print(
    f"knows nothing: {math.log(5):.2f}; test loss: {history.test_loss[-1]:.2f}; training loss: {history.train_loss[-1]:.2f}"
)

# %% tags=["form"]
feedback_box("07, section 4")

# %% [markdown]
# ## 5. Is it any good? (8 minutes)
#
# `evaluate` goes through all held-out reviews, in eval mode and without gradients. Its predictions come in the order of the data, however the loader
# sorted the texts. Otherwise a review would meet its own prediction only by luck.

# %%
loss, accuracy, predictions = evaluate(model, reviews.test_loader, DEVICE)
by_hand = int((predictions == labels).sum())
print(f"at least {int(10 * accuracy)} in 10 ratings are right")
print(f"counted by hand, the number of right ratings differs by {abs(round(accuracy * len(labels)) - by_hand)}")

# %% [markdown]
# One in two: is that a lot? You know one baseline, the most frequent class. Here is a stronger one. A **bag of words** counts which words a text has, with no order and no
# attention (`TfidfVectorizer` counts, and makes light of words that are in every text). A logistic regression then gives each word a weight for each class. The idea is decades old, and trains in seconds.
#
# **Predict first:** how far behind the Transformer will it be?

# %%
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

vectorizer = TfidfVectorizer(ngram_range=(1, 1), sublinear_tf=True)
counts = vectorizer.fit_transform(reviews.train["text"][:])
bag_of_words = LogisticRegression(max_iter=300).fit(counts, reviews.train["label"][:])
bag_accuracy = bag_of_words.score(vectorizer.transform(reviews.test["text"][:]), reviews.test["label"][:])

plots.bars(
    ["most frequent class", "bag of words", "your Transformer"],
    [float(shares.max()), bag_accuracy, accuracy],
    title="The Transformer and the bag of words: a draw",
    xlabel="accuracy on held-out reviews",
    xlim=(0, 0.7),
)

# %%
print(f"most frequent class: {shares.max():.3f}; bag of words: {bag_accuracy:.3f}; your Transformer: {accuracy:.3f}")

# %% [markdown]
# A draw. Single words, such as *awful* or *wonderful*, give many reviews away, and for those, counting words is all it takes. What a
# Transformer can do beyond that (negation, irony, who did what) it has to learn, and twelve thousand sentences are not many. Lesson 8 starts from a model that has
# read far more.
#
# Where does it go wrong? Each row below belongs to one true rating, and says what share of its reviews got which prediction.
#
# **Predict first:** what will 1 star be mistaken for more often, 2 or 5? And which rating is the hardest?

# %%
confusion = torch.zeros(reviews.num_classes, reviews.num_classes)
for truth, prediction in zip(labels, predictions, strict=True):
    confusion[truth, prediction] += 1
plots.heatmap(
    confusion / confusion.sum(dim=1, keepdim=True),
    reviews.label_names,
    reviews.label_names,
    title="1 and 5 are told apart; 3 and 4 are hardly ever predicted",
    xlabel="predicted",
    ylabel="true",
    annotate=True,
    vmin=0,
    vmax=1,
)

# %%
close = ((predictions - labels).abs() <= 1).float().mean()
always = [float(((labels - stars).abs() <= 1).float().mean()) for stars in range(reviews.num_classes)]
best = max(range(reviews.num_classes), key=always.__getitem__)
print(
    f"at most one star off: at least {int(10 * close)} in 10; always saying {reviews.label_names[best]}: {always[best]:.2f}"
)

# %% [markdown]
# A 1 is mistaken for a 2 more often than for a 5. So the model has some idea of more and less, although nobody told it: for cross-entropy these are
# just five names. But it is a rough idea: a 4 is called a 2 nearly as often as a 5. It hardly ever says 3 or 4, the two rarest ratings.
#
# **Think! 7.1.** A colleague tries 20 settings, and reports the best accuracy on the held-out reviews. What is wrong with that number?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# With 2,144 held-out reviews, an accuracy of 0.54 has a standard error of about $\sqrt{0.54 \cdot 0.46 / 2144} \approx 0.011$. Out of 20 equally good settings,
# the best will look about two such errors better than it is. What you use to choose is no longer held out. So choose on a third part of the data, and
# look at the test part once. (For the same reason, our draw is no proof that the two models are equal.)
#
# </details>

# %% tags=["form"]
feedback_box("07, section 5")

# %% [markdown]
# ## 6. Ask it (7 minutes)
#
# Here is one held-out review, with the stars that people gave it. Change `place`, if you like, to any number below 2,144.

# %%
place = 1079
review = reviews.test[place]
print(f"{reviews.label_names[review['label']]}: {review['text']}")

# %% [markdown]
# The next picture has three parts: the probability of each rating; what each word **adds**, found by leaving it out and asking again (**occlusion**, lesson 3); and the
# attention that the word gets, averaged over all heads and blocks.
#
# **Predict first:** which word will matter most? And will it get the most attention?

# %%
rating = predict_rating.predict_rating(review["text"], model, tokenizer)
predict_rating.draw_rating(rating, truth=review["label"] + 1)

# %% [markdown]
# (Labels count from 0, stars from 1: hence `+ 1`.)
#
# Compare the two panels on the right. The word that costs the most stars, *intentions*, is not the one that gets the most attention, *smacks*. And *good* gets about as much attention as *smacks*, though it
# adds half a star: attention has no sign, so it cannot say whether a word speaks *for* the film or *against* it. Leaving a word out asks
# the model itself, and gets an answer in stars.
#
# Now type a review of your own. Things to try: a rare word of praise; *not bad*; a sentence that praises and then takes it all back.

# %%
predict_rating.rating_demo(model, tokenizer, "The actors are wonderful, but the story is a boring mess.")

# %% [markdown]
# **Think! 7.2.** Try “The film is good.” with *good*, *not good*, *bad*, *not bad* and *not bad at all*. What has the model learned about *not*, and why?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# *good* gets 4.8 stars, and *not good* 2.3. But *bad* gets 1.3, *not bad* 1.5, and *not bad at all* 1.4: *not* takes praise down, as it should, and hardly lifts a *bad*.
#
# The model has not learned that *not* turns its neighbour round. In the training texts, *not* is a sign of a bad review; a bag of words learns that too.
# *not bad* as praise is rare in twelve thousand sentences, and too few examples teach nothing. (The digits differ a little from machine to machine.)
#
# </details>

# %% tags=["form"]
feedback_box("07, section 6")

# %% [markdown]
# ## 7. Keep the weights small; more data (10 minutes, optional)
#
# There are two classical remedies against learning by heart. Both make large weights expensive:
#
# - **L2** (`weight_decay`): each step shrinks every weight by a *share* of itself;
# - **L1** (`l1_penalty`): the sum of the weights' sizes is added to the loss, which pulls each weight by the *same amount*, down to zero.
#
# To see it quickly, take a small model, few reviews and ten epochs. (Every 19th review: the first 640 of this file are nearly all praise.)

# %%
few = make_loader(
    reviews.train_token_ids[::19],
    reviews.train["label"][::19],
    num_classes=reviews.num_classes,
    pad_id=tokenizer.pad_token_id,
    batch_size=64,
    seed=2021,
)
small_models, test_losses = {}, {}


def train_small(name: str, **penalty: float) -> None:
    """Train a model of one block, 32 wide, on few reviews with a penalty on its weights, and keep it by its name."""
    set_seed(2021)
    small = Transformer(32, 4, 1, reviews.longest, reviews.vocab_size, reviews.num_classes, dropout=0.0)
    history = train(small, few, reviews.test_loader, epochs=10, learning_rate=3e-3, device=DEVICE, **penalty)
    small_models[name], test_losses[name] = small, history.test_loss


# %% [markdown]
# **Predict first:** ten times over the same few reviews. What will the *test* loss do?

# %%
train_small("no penalty")
train_small("L2", weight_decay=3.0)
train_small("L1", l1_penalty=1e-3)
plots.curves(
    range(1, 11),
    test_losses,
    title="Without a penalty, it gets worse from epoch 5 on",
    xlabel="epoch",
    ylabel="test loss (nats)",
)

# %% [markdown]
# Without a penalty, the training loss goes to 0.02, and the test loss climbs far above that of a model that knows nothing, 1.61: it is certain, and wrong. L2 puts that off; L1 prevents it. But no
# penalty can make a few reviews say more than they do: none of the three curves gets far below 1.5, and with 12,169 reviews you had 1.17.
#
# What did the penalties do to the weights? **Predict first:** after which of the two will many weights be almost exactly zero?


# %%
def matrices(small_model: Transformer) -> torch.Tensor:
    """All weights in the matrices of the model's block, in one row."""
    return torch.cat([p.detach().cpu().flatten() for p in small_model.blocks.parameters() if p.dim() == 2])


figure, axes = plots.panels(1, 3, width=10, height=2.8, sharey=True)
for ax, (name, small_model) in zip(axes[0], small_models.items(), strict=True):
    ax.hist(matrices(small_model), bins=80, range=(-0.4, 0.4), color=plots.BLUE, log=True)
    ax.set(title=name, xlabel="weight in the block")
axes[0, 0].set_ylabel("how many (logarithmic)")
figure

# %%
for name, small_model in small_models.items():
    print(
        f"{name:>10}: {(matrices(small_model).abs() < 0.003).float().mean():.2f} of the weights are below 0.003 in size"
    )

# %% [markdown]
# L2 makes all of them smaller; L1 gathers most of them at zero, and leaves a few large. (The upright axis is logarithmic: the peak in the right picture is far higher than it looks.)
#
# The best remedy is **more data**. With `DATA = "full"` in the second code cell (and the internet), the lesson trains on Yelp instead: the first 10,000 reviews to learn
# from, the first 5,000 to test on, in batches of 32. These are whole reviews, up to 256 tokens long here, so an epoch takes many times as long: use a GPU
# (in Colab: Runtime, Change runtime type).

# %% tags=["form"]
feedback_box("07, section 7")

# %% [markdown]
# ## Summary
#
# - Texts become subwords, subwords become ids; a batch is padded to its own longest text, with a mask that says where the words are.
# - You wrote `Transformer`: embeddings times $\sqrt{k}$, positions, blocks, the mean over the **words**, a linear classifier.
# - Cross-entropy wants logits. The loss on held-out texts is the one that counts.
# - Trained from scratch on few texts, it beats the most frequent class and draws with a bag of words. Say so when you report it.
# - To find out what a word adds, leave it out; attention alone does not tell you.
#
# Next: [lesson 8](08_fine_tune_bert.ipynb) starts from a model that has already read a great deal.
#
# ## Where to read more
#
# - Vaswani et al. (2017), [Attention is all you need](https://arxiv.org/abs/1706.03762), sections 3.4 and 5.
# - Sasha Rush and others, [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/): training a larger one, in code.
# - torch's page on [cross_entropy](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
# - Loshchilov & Hutter (2019), [Decoupled weight decay regularization](https://arxiv.org/abs/1711.05101): what `weight_decay` does in AdamW.
# - Hutto & Gilbert (2014), VADER: where the rated sentences come from (ICWSM 2014).
#
# *The order of ideas follows Neuromatch Academy's
# [W2D5 tutorial](https://deeplearning.neuromatch.io/tutorials/W2D5_AttentionAndTransformers/student/W2D5_Tutorial1.html) (CC BY 4.0). The words and the code are ours.*
