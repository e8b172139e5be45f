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

from helpers import checks, plots
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
# Read a review; say how many stars, 1 to 5. People find that easy. Can the layers that you wrote learn it, from examples alone, in a minute?
#
# The sample has sentences from reviews of films and products, which people rated from -4 to +4 (Hutto & Gilbert 2014). These ratings, cut into
# five levels, stand in for stars.

# %%
sizes = {"sample": {"batch_size": 64, "max_len": 64}, "full": {"batch_size": 32, "max_len": 256}}
reviews = load_reviews(DATA, **sizes[DATA])

print(f"{reviews.title}: {len(reviews.train):,} to learn from, {len(reviews.test):,} held out")
for place in (2382, 577, 45):
    review = reviews.train[place]
    print(f"\n{reviews.label_names[review['label']]}: {review['text']}")

# %% [markdown]
# The held-out reviews play no part in learning. Only they can tell whether a model has understood something, or has learned its
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
# Remember the longest bar. It is a **baseline**: whoever does not beat it has learned nothing.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 1")

# %% [markdown]
# ## 2. From text to numbers (10 minutes)
#
# A model reads numbers. A **tokenizer** cuts a text into **subwords**, and looks up each one's number in its vocabulary. Ours is
# BERT's.
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
# Frequent words are whole; rare ones fall into pieces, and `##` says “no space before this one”. So no word is ever unknown.
#
# The capitals did not come back. This tokenizer is **uncased**: it writes everything in small letters first. `English` and `ENGLISH` then
# share one row of the model's table, and what is learned of one holds for the other. A **cased** tokenizer keeps them apart. It can tell `Apple` from
# `apple`, but has to learn more words.

# %%
for word in ("english", "English", "ENGLISH"):
    print(f"{word}: {tokenizer(word, add_special_tokens=False)['input_ids']}")

# %% [markdown]
# A batch needs texts of one length. The short ones are filled up with **padding**, and a **mask** remembers which places hold words. On the
# left, the first 64 reviews as they come; on the right, the first batch of our loader, which puts texts of about the same length together.

# %%
batch = next(iter(reviews.train_loader))
_, as_they_come = pad(reviews.train_token_ids[:64], tokenizer.pad_token_id)

figure, axes = plots.panels(1, 2, width=7.5, height=3.6, sharey=True)
for ax, mask, title in zip(axes[0], (as_they_come, batch.mask), ("As they come", "Similar lengths"), strict=True):
    ax.imshow(mask, aspect="auto", interpolation="none", vmin=0, vmax=1)
    ax.set(title=f"{title}: bright are words", xlabel="place in the text")
axes[0, 0].set_ylabel("text of the batch")
figure

# %% [markdown]
# The dark part is work for nothing. The next batch may be longer or shorter: each is padded to *its own* longest text.
#
# The lazy way is to pad everything to 512, the most that BERT can read. **Predict first:** how many times more work is that: 2 times, 5 times, 20 times?

# %%
lengths = [len(ids) for ids in reviews.train_token_ids]
padding.draw_padding(lengths, reviews.train_loader)

# %% [markdown]
# On a laptop that is the difference between a minute and a coffee break; and attention's cost even grows with the *square* of the length.
# (The few texts above `max_len` were cut, hence the little bar at the right end.)
#
# Now a trap. The model must know three numbers: the longest text, the number of classes, the size of the vocabulary. Why not read them off
# the batch that we have at hand?

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
# That was the lucky case, with an error. So read these numbers off the *data*: `reviews.longest`, `reviews.num_classes`,
# `reviews.vocab_size`.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 2")

# %% [markdown]
# ## 3. Write it yourself (20 minutes)
#
# All the parts are there. From token ids to logits:
#
# | step | shape | where from |
# |---|---|---|
# | **embedding**: a row of a table for each token | (b, t, k) | `nn.Embedding` |
# | times $\sqrt{k}$, plus positions | (b, t, k) | lesson 5 |
# | blocks, one after the other from the first on | (b, t, k) | lesson 4 |
# | the mean over the words: one vector for each text | (b, k) | new |
# | a linear layer: a number for each class, the **logits** | (b, c) | `nn.Linear` |
#
# Why times $\sqrt{k}$? Compare the sizes of the numbers. The table starts with standard deviation $1/\sqrt{k}$.

# %%
k = 128
table = torch.randn(1000, k) * k**-0.5  # (tokens, k): vectors as they are before training
positions = PositionalEncoding(k, dropout=0.0)(torch.zeros(1, 64, k))
typical = [numbers.square().mean().sqrt() for numbers in (table, math.sqrt(k) * table, positions)]
plots.bars(
    ["words, from the table", "words, times root of k", "positions"],
    typical,
    title="Scaled, words can be heard beside their positions",
    xlabel="typical size of a number",
)

# %% [markdown]
# Unscaled, the words would drown in their positions (Vaswani et al. 2017, section 3.4).
#
# And the mean is over the *words*. With padding in it, the same text would get another vector in another batch.
#
# ### Exercise 7: a Transformer that classifies texts
#
# Fill in three blanks (`...`):
#
# 1. `x`: the words' vectors, times $\sqrt{k}$, with positions;
# 2. `total`: for each text, the sum of its words' vectors, **without the padding**;
# 3. `pooled`: the sum as a mean.
#
# Written for you: the layers, the blocks with the mask as they want it (b, 1, 1, t), and the classifier. Divide by `counts`, which is at least 1: a text without
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


# %% tags=["exercise", "export"]
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
        """Token ids (b, t), and a mask (b, t), True at words wherever they stand, give logits (b, c). No mask: words."""
        if mask is None:
            mask = torch.ones_like(token_ids, dtype=torch.bool)
        # BEGIN SOLUTION
        # STUB: x = ...  # (b, t, k): embeddings times the root of k, with positions
        x = self.positions(self.embedding(token_ids) * math.sqrt(self.embed_dim))  # (b, t, k)
        # END SOLUTION
        for block in self.blocks:
            x = block(x, mask[:, None, None, :])  # (b, t, k)
        counts = mask.sum(dim=1, keepdim=True).clamp(min=1)  # (b, 1): how many words each text has
        # BEGIN SOLUTION
        # STUB: total = ...  # (b, k): the sum over the words, without the padding
        # STUB: pooled = ...  # (b, k): the mean
        total = x.masked_fill(~mask[:, :, None], 0.0).sum(dim=1)  # (b, k)
        pooled = total / counts  # (b, k)
        # END SOLUTION
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

# %% [markdown]
# Without the mask, a review's rating would depend on the company that it keeps in its batch.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 3")

# %% [markdown]
# ## 4. Train it (12 minutes)
#
# What is a good prediction? Softmax turns the logits into probabilities. The **cross-entropy** is minus the logarithm of the probability that
# the model gave to the *right* class: 0 if it was certain and right, large if it was certain and wrong.
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
# `F.cross_entropy` takes *logits* and applies softmax itself. So the model must not.
#
# The lesson's model is 128 wide, with 8 heads and 3 blocks. How large is that?

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
    name: sum(parameter.numel() for parameter in part.parameters()) / 1e6 for name, part in model.named_children()
}
plots.bars(
    list(sizes_of_parts),
    list(sizes_of_parts.values()),
    title="Most numbers are in the table",
    xlabel="million parameters",
)

# %% [markdown]
# Ten of eleven numbers belong to the embedding: a row for each of 30,522 tokens. The blocks, where the thinking is, are small.
#
# (Why `dropout=0.0`? We tried both: over two passes, dropout won nothing, and took a quarter more time.)
#
# `train` is a loop that you could write. For each batch: the logits, the cross-entropy, `backward`, a step of the optimizer. After each pass over the
# data, an **epoch**, it measures the loss on the held-out reviews, in eval mode and without gradients. It takes about half a minute.
#
# **Predict first:** where will the loss begin, and how low will it get?

# %% tags=["nbval-ignore-output"]
reviews = load_reviews(DATA, **sizes[DATA])  # afresh: the same order of texts, however many batches you looked at
history = train(model, reviews.train_loader, reviews.test_loader, epochs=2, learning_rate=1e-3, device=DEVICE)

# %%
plot_history(history)

# %% [markdown]
# The loss begins near 1.61, like that of a model that knows nothing, and falls. The dots are the test loss after each epoch; these count.
#
# Look at the second epoch: the training loss takes a step down, because the model sees each text for the *second* time. The test loss hardly follows. The gap between
# the two is what was learned by heart, and more epochs would widen it.

# %%
print("test loss far below that of a model that knows nothing:", history.test_loss[-1] < math.log(5) - 0.2)
print("training loss below test loss by now:", history.train_loss[-1] < history.test_loss[-1])

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 4")

# %% [markdown]
# ## 5. Is it any good? (8 minutes)
#
# `evaluate` goes through all held-out reviews, in eval mode and without gradients. Its predictions come in the order of the data, however the loader
# sorted the texts: otherwise a review and its prediction would be matched by luck.

# %%
loss, accuracy, predictions = evaluate(model, reviews.test_loader, DEVICE)
print("at least half of the ratings are right:", accuracy >= 0.5)
print("same as counted by hand:", math.isclose(accuracy, (predictions == labels).float().mean(), rel_tol=1e-6))

# %% [markdown]
# Half: is that much? You know one baseline, the most frequent class. Here is a stronger one. A **bag of words** counts which words a text has, with no order and no
# attention; a logistic regression gives each word a weight for each class. The idea is older than your teacher, and trains in seconds.
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
print("both well above the most frequent class:", min(accuracy, bag_accuracy) > float(shares.max()) + 0.1)
print("the two are within 0.05 of each other:", abs(accuracy - bag_accuracy) < 0.05)

# %% [markdown]
# A draw, and that is no accident of this lesson. Most reviews are given away by single words, *awful* or *wonderful*, and counting words is all that takes. What a
# Transformer can do beyond that (negation, irony, who did what) has to be learned, and twelve thousand sentences are few. Lesson 8 starts from a model that has
# read far more.
#
# Where does it go wrong? Each row below is one true rating, shared out over the predictions.
#
# **Predict first:** will 1 star be mistaken for 2, or for 5?

# %%
confusion = torch.zeros(reviews.num_classes, reviews.num_classes)
for truth, prediction in zip(labels, predictions, strict=True):
    confusion[truth, prediction] += 1
plots.heatmap(
    confusion / confusion.sum(dim=1, keepdim=True),
    reviews.label_names,
    reviews.label_names,
    title="The ends are told apart, the middle is not",
    xlabel="predicted",
    ylabel="true",
    annotate=True,
    vmin=0,
    vmax=1,
)

# %%
off_by = (predictions - labels).abs()
print("at most one star off, in more than 0.7 of the reviews:", bool((off_by <= 1).float().mean() > 0.7))

# %% [markdown]
# A 1 is mistaken for a 2 more often than for a 5. So the model has an idea of more and less, although nobody told it: for cross-entropy these are
# just five names. In the middle, where there are fewer examples, it errs most.
#
# **Think! 7.1.** A colleague tries 20 settings, and reports the best accuracy on the held-out reviews. What is wrong with that number?

# %% [markdown] tags=["solution"]
# **Discussion.** With 2,144 held-out reviews, an accuracy of 0.54 has a standard error of about $\sqrt{0.54 \cdot 0.46 / 2144} \approx 0.011$. Of 20 equally good settings,
# the best will look about two such errors better than it is. Whatever is used to choose is no longer held out: choose on a third part of the data, and
# look at the test part once. (For the same reason, do not take our draw for a proof that two models are equal.)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 5")

# %% [markdown]
# ## 6. Ask it (7 minutes)
#
# One held-out review, and what people gave it. Change `place`, if you like, to any number below 2,144.

# %%
place = 1079
review = reviews.test[place]
print(f"{reviews.label_names[review['label']]}: {review['text']}")

# %% [markdown]
# The picture has three parts: the probability of each rating; what each word **adds**, found by leaving it out and asking again (**occlusion**, lesson 3); and the
# attention that it gets, averaged over all heads and blocks.
#
# **Predict first:** which word will matter most? And will it get the most attention?

# %%
rating = predict_rating.predict_rating(review["text"], model, tokenizer)
predict_rating.draw_rating(rating, truth=review["label"] + 1)

# %% [markdown]
# Labels count from 0, stars from 1: hence `+ 1`.
#
# Compare the two panels on the right. Attention has no sign, so it cannot say whether a word speaks *for* the film or *against* it. Leaving a word out asks
# the model itself, and gets an answer in stars.
#
# Now type a review of your own. Things to try: a rare word of praise; *not bad*; a sentence that praises and then takes it all back.

# %% tags=["nbval-ignore-output"]
predict_rating.rating_demo(model, tokenizer, "The actors are wonderful, but the story is a boring mess.")

# %% [markdown]
# **Think! 7.2.** Try `good`, `not good` and `not bad at all` inside the same sentence. What has the model learned about *not*, and why?

# %% [markdown] tags=["solution"]
# **Discussion.** Ask it (the digits differ a little from machine to machine):

# %% tags=["solution", "nbval-ignore-output"]
expected = {
    words: predict_rating.predict_rating(f"The film is {words}.", model, tokenizer).expected
    for words in ("good", "not good", "bad", "not bad")
}
for words, stars in expected.items():
    print(f"{words:>8}: {stars:.1f} stars")

# %% [markdown] tags=["solution"]
# *not bad* gets hardly more than *bad*: the model has not learned that `not` turns its neighbour round. In the training texts, `not` is a sign of a bad review; a bag of words learns that too.
# Praise by *not bad* is rare in twelve thousand sentences, and what is rare is not learned from examples alone.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 6")

# %% [markdown]
# ## 7. Keep the weights small; more data (10 minutes, optional)
#
# Against learning by heart there are two classical remedies. Both make large weights expensive:
#
# - **L2** (`weight_decay`): each step shrinks every weight by a *share* of itself;
# - **L1** (`l1_penalty`): the sum of the weights' sizes is added to the loss, which pulls each by the *same amount*, down to zero.
#
# To see it quickly: a small model, on 640 reviews only, for ten epochs.

# %%
few = make_loader(
    reviews.train_token_ids[:640],
    reviews.train["label"][:640],
    num_classes=reviews.num_classes,
    pad_id=tokenizer.pad_token_id,
    batch_size=64,
    seed=2021,
)


def train_small(**penalty: float) -> Transformer:
    """A model of one block, 32 wide, trained on few reviews with a penalty on its weights."""
    set_seed(2021)
    small = Transformer(32, 4, 1, reviews.longest, reviews.vocab_size, reviews.num_classes, dropout=0.0)
    train(small, few, epochs=10, learning_rate=3e-3, device=DEVICE, **penalty)
    return small


# %% tags=["nbval-ignore-output"]
small_models = {
    "no penalty": train_small(),
    "L2": train_small(weight_decay=3.0),
    "L1": train_small(l1_penalty=1e-3),
}

# %% [markdown]
# **Predict first:** after which of the two will many weights be almost exactly zero?

# %%
figure, axes = plots.panels(1, 3, width=10, height=2.8, sharey=True)
for ax, (name, small_model) in zip(axes[0], small_models.items(), strict=True):
    weights = torch.cat([p.detach().cpu().flatten() for p in small_model.blocks.parameters() if p.dim() == 2])
    ax.hist(weights, bins=80, range=(-0.4, 0.4), color=plots.BLUE, log=True)
    ax.set(title=name, xlabel="weight in the block")
axes[0, 0].set_ylabel("how many")
figure

# %% [markdown]
# L2 makes all of them smaller; L1 gathers them at zero, and leaves those that earn their keep. (The upright axis is logarithmic.)


# %%
def near_zero(small_model: Transformer) -> float:
    """Share of the weights in the block's matrices that are below 0.003 in size."""
    weights = torch.cat([p.detach().flatten() for p in small_model.blocks.parameters() if p.dim() == 2])
    return float((weights.abs() < 0.003).float().mean())


print("more than half of them near zero, with L1:", near_zero(small_models["L1"]) > 0.5)
print("                                  with L2:", near_zero(small_models["L2"]) > 0.5)

# %% [markdown]
# The best remedy is **more data**. With `DATA = "full"` in the second code cell (and the internet), the lesson trains on Yelp instead: the first 10,000 reviews to learn
# from, the first 5,000 to test on, in batches of 32. These are whole reviews, up to 256 tokens here, so an epoch takes many times longer: use a GPU
# (in Colab: Runtime, Change runtime type).

# %% tags=["form", "nbval-ignore-output"]
feedback_box("07, section 7")

# %% [markdown]
# ## Summary
#
# - Texts become subwords, subwords become ids; a batch is padded to its own longest text, with a mask that says where the words are.
# - You wrote `Transformer`: embeddings times $\sqrt{k}$, positions, blocks, the mean over the **words**, a linear classifier.
# - Cross-entropy wants logits. The loss on held-out texts is the one that counts.
# - Trained from nothing on few texts, it beats the most frequent class and draws with a bag of words. Say so when you report it.
# - What a word adds is found by leaving it out; attention alone does not tell.
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
