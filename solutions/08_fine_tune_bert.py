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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/08_fine_tune_bert.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/08_fine_tune_bert.ipynb)
#
# # 8. Fine-tune BERT
#
# **After this lesson you can**
# - say what a pretrained model has learned, and from what;
# - turn labelled texts into the batches that BERT reads;
# - fine-tune a pretrained model on a laptop, and report honestly what it reached;
# - show that BERT is made of the very layers that you wrote.
#
# **Time:** 95 minutes; the core path (sections 1 to 5) takes 55.
# **Before:** [lesson 7](07_train_a_transformer.ipynb), where you trained a Transformer from nothing.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import tempfile
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers import checks, plots
from helpers.batches import SimilarLengths
from helpers.data import load_reviews, load_topics
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import TransformerBlock
from helpers.precision import autocast
from helpers.pretrained import load_classifier, load_encoder, load_tokenizer
from helpers.reports.steps import StepReport, draw_losses
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "full": BERT-base and AG News, which want the internet and a GPU
TASK = "topics"  # "levels": reviews with 1 to 5 stars, as in lesson 7
STEPS = 500
MODEL, MAX_LEN, LEARNING_RATE = (None, 32, 1.5e-4) if DATA == "sample" else ("google-bert/bert-base-uncased", 128, 2e-5)

# %% [markdown]
# ## 1. A model that has read a great deal (8 minutes)
#
# In lesson 7 a Transformer learned from twelve thousand sentences, and drew with counting words. It had to learn English
# and the task at once, from the same few labels.
#
# Labels are rare; text is not. So make a task out of text alone: **hide some words, and guess them**.

# %%
tokenizer = load_tokenizer(MODEL)
text = "The ship left the harbour at dawn, and the sailors sang."
token_ids = tokenizer(text, return_tensors="pt")["input_ids"]  # (1, t)
hidden = token_ids.clone()
hidden[0, [5, 12]] = tokenizer.mask_token_id
print(tokenizer.decode(hidden[0]))

# %% [markdown]
# **Predict first:** what could stand in the two gaps? How did you know?
#
# You used grammar (a place, a verb or a noun for people), and the world (ships leave harbours). Whoever gets good at this has to
# learn both. Nobody has to label anything: the hidden words are the answers.
#
# That is **pretraining** by *masked words*. BERT (Devlin et al. 2018) read Wikipedia and eleven thousand books so; 15% of
# the tokens were to be guessed. (It also guessed whether two pieces of text follow each other; later models left that out.)
#
# Then you keep the model, put a small new layer on top, and train a little on *your* task: **fine-tuning**. What was learned
# in one place is used in another: **transfer learning**.

# %%
encoder = load_encoder(MODEL)
millions = sum(parameter.numel() for parameter in encoder.parameters()) / 1e6
plots.bars(
    ["BERT-large: 24 layers", "BERT-base: 12 layers", "DistilBERT: 6 layers", "the one that we load here"],
    [340, 110, 66, millions],
    title="A family of encoders, large and small",
    xlabel="million parameters",
    value_format=".0f",
)

# %% [markdown]
# | relative | what is different |
# |---|---|
# | RoBERTa | more text, trained longer, no guessing of pairs |
# | DistilBERT | learned to imitate BERT-base, at half the depth |
# | BigBird | attention to some words only, so it can read 4,096 tokens |
# | MiniLM | small: learned to imitate a large model's attention |
#
# The sample's model is all-MiniLM-L6-v2: BERT's architecture and vocabulary, 6 layers, 384 wide. Be clear about what it is: it was **distilled** (trained to imitate a larger
# model), then **tuned to tell which sentences mean the same**. It is not BERT-base, and it can no longer guess masked words as it comes. With
# `DATA = "full"` the lesson loads BERT-base.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 1")

# %% [markdown]
# ## 2. Its tokenizer, and no other (8 minutes)
#
# A pretrained model knows token 2307 as *great* because it learned so. With another numbering it would read nonsense, without any
# error. So a model and its **tokenizer** travel together, under one name.
#
# **Predict first:** will *PyTorch* be one token?

# %%
tokenizer.encode("PyTorch is a great framework for NLP")

# %%
tokenizer.convert_ids_to_tokens(tokenizer.encode("PyTorch is a great framework for NLP"))

# %% [markdown]
# Lesson 7 left two of these tokens out. `[CLS]` begins every text: its vector is the one that a classifier will read. `[SEP]` ends a text,
# and stands between two of them.
#
# A name such as `google-bert/bert-base-uncased` is looked up on the Hugging Face hub. A **directory** works as well, without any
# network. What must it hold? Let the tokenizer tell.

# %%
with tempfile.TemporaryDirectory() as folder:
    tokenizer.save_pretrained(folder)
    encoder.config.save_pretrained(folder)
    files = sorted(path.name for path in Path(folder).iterdir())
    from_directory = load_tokenizer(folder)
print(files)
print("the same ids:", from_directory.encode(text) == tokenizer.encode(text))

# %% [markdown]
# `tokenizer.json` holds the vocabulary and the rules, `tokenizer_config.json` says which class reads it, `config.json` which kind of model it belongs to. For the
# *model* itself, `model.safetensors` stands beside them, with the weights. (Older models come as `pytorch_model.bin`, a *pickle*, which can run any code while it is
# opened. This course loads safetensors only.)
#
# Now the texts of this lesson. On the sample, the four classes are four *places*: film reviews, newspaper editorials, tweets, product reviews.

# %%
load = {"topics": load_topics, "levels": load_reviews}[TASK]
texts = load(DATA, tokenizer=tokenizer)
names = texts.label_names
train_pairs = list(zip(texts.train["label"][:], texts.train["text"][:], strict=True))
test_pairs = list(zip(texts.test["label"][:], texts.test["text"][:], strict=True))
print(f"{texts.title}: {len(train_pairs):,} to learn from, {len(test_pairs):,} held out")
for place in (2, 10400, 15100, 17500):
    label, text = train_pairs[place]
    print(f"\n{names[label]}: {text}")

# %% [markdown]
# These are *kinds of text*, not topics as in AG News, and they are **unbalanced**. How long are they?

# %%
figure, axes = plots.panels(1, 2, width=9, height=2.8)
labels = torch.tensor([label for label, _ in test_pairs])
shares = torch.bincount(labels, minlength=len(names)) / len(labels)
plots.bars(names, shares, title="One class is nearly half", xlabel="share of the held-out texts", ax=axes[0, 0])
lengths = [len(tokenizer.encode(text)) for _, text in test_pairs[::4]]
axes[0, 1].hist(lengths, bins=40, color=plots.BLUE)
axes[0, 1].axvline(MAX_LEN, color=plots.VERMILION, label=f"cut at {MAX_LEN}")
axes[0, 1].set(title="Most texts are short", xlabel="tokens", ylabel="texts")
axes[0, 1].legend()
figure

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 2")

# %% [markdown]
# ## 3. Write it yourself: texts into a batch (12 minutes)
#
# A model wants tensors; a data set gives pairs of label and text. What happens if we just try?

# %%
pairs = [train_pairs[place] for place in (2, 10400, 15100, 17500)]
rows = tokenizer([text for _, text in pairs])["input_ids"]
try:
    torch.tensor(rows)
except ValueError as error:
    print(error)

# %% [markdown]
# Rows of several lengths make no rectangle. You know the remedy: **padding**, and a **mask** that says where the words are. New is
# that some texts are too long: BERT has a vector for each of 512 positions, and none for the 513th. So texts are **truncated**.
#
# ### Exercise 8: texts into a batch
#
# Fill in the blanks (`...`): `pad_batch` gets a list of pairs (label, text), and returns three tensors:
#
# 1. `labels` (b,);
# 2. `input_ids` (b, t), padded with the **tokenizer's own** pad id to the **longest text of the batch**, truncated at `max_len`;
# 3. `attention_mask` (b, t): 1 at words, 0 at padding.
#
# The order of the texts stays. Labels start at 0 here already.
#
# <details><summary>Hint 1</summary>
#
# The tokenizer does all of it when it is called with a list of texts. It wants to be told three things: that it should pad (to the longest of the
# batch), that it should truncate, and at what length.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `padding=True` and `truncation=True` say yes to both, `max_length=` says where to cut, `return_tensors="pt"` asks for torch's tensors. What comes back works like a
# dictionary; its keys are named like what you return.
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 8: texts into a batch
def pad_batch(
    batch: list[tuple[int, str]], tokenizer: Any, max_len: int = 128
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs (label, text) give labels (b,), token ids (b, t), and a mask (b, t): 1 at words, 0 at padding."""
    labels, texts = zip(*batch, strict=True)
    # BEGIN SOLUTION
    # STUB: encoded = ...  # what the tokenizer makes of the list of texts: padded, truncated, tensors
    # STUB: return ...  # three tensors: labels, token ids, mask
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=max_len, return_tensors="pt")
    return torch.tensor(labels), encoded["input_ids"], encoded["attention_mask"]
    # END SOLUTION


# %% tags=["check"]
checks.pad_batch(pad_batch)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import pad_batch

# %% [markdown]
# Your function at work, on eight texts from all over the data. Bright is read, dark is padding.

# %% tags=["expected-output"]
eight = train_pairs[2000::2500]
labels_of_eight, input_ids, attention_mask = pad_batch(eight, tokenizer, max_len=32)
figure, axes = plots.panels(1, 1, width=6.4, height=2.6)
axes[0, 0].imshow(attention_mask, aspect="auto", interpolation="none", vmin=0, vmax=1)
axes[0, 0].set(title="Each text ends where its words end", xlabel="token", ylabel="text of the batch")
figure

# %%
print(tokenizer.decode(input_ids[0]))
print("labels:", labels_of_eight.tolist(), "of type", labels_of_eight.dtype)

# %% [markdown]
# **Think! 8.1.** One copy of AG News on the internet counts its labels from 1. What would happen if you trained four classes with labels 1 to 4, and nobody
# noticed?

# %% [markdown] tags=["solution"]
# **Discussion.** With luck you get an error: cross-entropy has no fourth logit to look at (it counts 0, 1, 2, 3). On a GPU that error is a cryptic *device-side assert*. The unlucky case
# is five classes with labels 1 to 4: nothing stops, class 0 is never right, and every name in your table is off by one.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 3")

# %% [markdown]
# ## 4. Fine-tune it (15 minutes)
#
# `load_classifier` puts one linear layer on top of the encoder: from the vector of `[CLS]` to a logit for each class. Which of the weights come from pretraining,
# and which do not?

# %%
set_seed(2021)
classifier = load_classifier(len(names), MODEL)
pretrained = {f"{classifier.base_model_prefix}.{name}" for name, _ in encoder.named_parameters()}
new = [name for name, _ in classifier.named_parameters() if name not in pretrained]
print(len(pretrained), "tensors from pretraining; new:", new)

# %% [markdown]
# When you load such a model by yourself, transformers warns: *some weights were newly initialized: classifier.weight, classifier.bias. You should probably train this model*. Many
# people take that for a mistake. Here it is right: nobody has ever trained a classifier for *your* classes, so its weights are random. (We silenced the warning. If it named other
# weights, those of the encoder, something would be broken.)
#
# **Predict first:** what is the cross-entropy of this classifier before any training? There are four classes.

# %%
with torch.no_grad():
    logits = classifier(input_ids, attention_mask=attention_mask).logits  # (8, 4)
loss = F.cross_entropy(logits, labels_of_eight).item()
plots.bars(
    names,
    logits.softmax(dim=-1).mean(dim=0),
    title="Before: no idea",
    xlabel="probability, mean of eight texts",
    xlim=(0, 1),
)

# %% [markdown]
# Near log 4 = 1.39, the loss of a model that knows nothing. The new layer has to learn, and the encoder may adapt.
#
# The loop has nothing new in it. Texts of similar length share a batch, as in lesson 7. The step size falls to zero along a straight line: large steps first, then finer ones.
# And note `loss.item()`: a *number*. Whoever adds up the loss **tensors** keeps the computation of every step in memory.


# %%
def fine_tune(model: nn.Module, pairs: list[tuple[int, str]], steps: int, learning_rate: float) -> list[float]:
    """Train a classifier for some steps of 8 texts; return the loss of each step."""
    sampler = SimilarLengths([len(text) for _, text in pairs], batch_size=8, seed=2021)
    to_batch = partial(pad_batch, tokenizer=tokenizer, max_len=MAX_LEN)
    loader = DataLoader(pairs, batch_sampler=sampler, collate_fn=to_batch)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    model.to(DEVICE).train()
    batches = chain.from_iterable(repeat(loader))  # from the front again when all texts have been read
    with StepReport(steps) as report:
        for labels, input_ids, attention_mask in islice(batches, steps):
            with autocast(DEVICE):
                logits = model(input_ids.to(DEVICE), attention_mask=attention_mask.to(DEVICE)).logits  # (b, c)
            loss = F.cross_entropy(logits.float(), labels.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            report.step(loss.item())
    return report.losses


# %% [markdown]
# Three things make it faster, because your laptop is slow. No dropout: each text is seen only once, so nothing can be learned by heart. On the sample the embedding, half of all
# weights, stays as it is. And `fused=True` lets AdamW update all weights in one go. (`autocast` computes in half-width numbers, *bfloat16*, if your processor has them.)
#
# It takes a minute or two. After five steps it says how long.
#
# **Predict first:** 500 steps of 8 are 4,000 texts. How many will be enough to get half-way down?

# %% tags=["nbval-ignore-output"]
for part in classifier.modules():
    if isinstance(part, nn.Dropout):
        part.p = 0.0
classifier.base_model.embeddings.requires_grad_(DATA == "full")
losses = fine_tune(classifier, train_pairs, STEPS, LEARNING_RATE)

# %%
draw_losses({"fine-tuning": losses})

# %%
print("began near log 4:", abs(sum(losses[:5]) / 5 - 1.39) < 0.3)
print("the last 100 steps far below:", sum(losses[-100:]) / 100 < 0.5)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 4")

# %% [markdown]
# ## 5. Is it any good? (12 minutes)
#
# Now the held-out texts: **all** of them, in eval mode and without gradients. Short texts go with short ones, to save padding; the last line puts the rows back into the order of
# the data, so that each prediction meets its own text.


# %%
@torch.inference_mode()
def over_batches(function: Any, pairs: list[tuple[int, str]], batch_size: int = 64) -> torch.Tensor:
    """Apply `function(input_ids, attention_mask)`, which gives a row for each text; return the rows in the pairs' order."""
    order = sorted(range(len(pairs)), key=lambda place: len(pairs[place][1]))
    rows = []
    for start in range(0, len(order), batch_size):
        batch = [pairs[place] for place in order[start : start + batch_size]]
        _, input_ids, attention_mask = pad_batch(batch, tokenizer, MAX_LEN)
        with autocast(DEVICE):
            rows.append(function(input_ids.to(DEVICE), attention_mask.to(DEVICE)).float().cpu())
    return torch.cat(rows)[torch.tensor(order).argsort()]


# %%
classifier.eval()
probabilities = over_batches(lambda ids, mask: classifier(ids, attention_mask=mask).logits.softmax(-1), test_pairs)
predictions = probabilities.argmax(dim=-1)  # (n,)
accuracy = (predictions == labels).float().mean().item()
print("at least 0.90 of all held-out texts are right:", accuracy >= 0.90)

# %% [markdown]
# Is 0.9 much? Ask two baselines: the largest class, and the bag of words of lesson 7 (a logistic regression on which words occur). The bag learns once from as many texts as BERT saw,
# 4,000, and once from all of them.
#
# **Predict first:** will it take the bag of words all the texts to catch up?

# %%
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def bag_of_words(pairs: list[tuple[int, str]], test: list[tuple[int, str]]) -> float:
    """Accuracy on `test` of a logistic regression on the words of `pairs`."""
    bag = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(max_iter=300))
    bag.fit([text for _, text in pairs], [label for label, _ in pairs])
    return bag.score([text for _, text in test], [label for label, _ in test])


shuffled = torch.randperm(len(train_pairs), generator=torch.Generator().manual_seed(2021)).tolist()
same = [train_pairs[place] for place in shuffled[: 8 * STEPS]]
reached = {
    "largest class": float(shares.max()),
    "bag of words, as many texts": bag_of_words(same, test_pairs),
    "bag of words, all texts": bag_of_words(train_pairs, test_pairs),
    "fine-tuned": accuracy,
}
plots.bars(
    list(reached), list(reached.values()), title="Fine-tuning needs fewer labels", xlabel="accuracy", xlim=(0, 1.1)
)

# %%
print(
    "ahead of a bag of words with as many texts, by 0.05 or more:",
    accuracy > reached["bag of words, as many texts"] + 0.05,
)
print("ahead of a bag of words with all texts:", accuracy > reached["bag of words, all texts"])

# %% [markdown]
# For comparison: BERT-base, fine-tuned for 500 such steps, reached 0.905 on AG News (731 right of 808). You cannot set that number beside ours: other texts, other classes, another
# model, and four classes of equal size.
#
# Which classes are mixed up?

# %%
confusion = torch.zeros(len(names), len(names))
for truth, prediction in zip(labels, predictions, strict=True):
    confusion[truth, prediction] += 1
plots.heatmap(
    confusion / confusion.sum(dim=1, keepdim=True),
    names,
    names,
    title="Each true class, shared out over the predictions",
    xlabel="predicted",
    ylabel="true",
    annotate=True,
    vmin=0,
    vmax=1,
)

# %% [markdown]
# Read the **rows**: with unbalanced classes, the accuracy alone is mostly about the largest one.
#
# The best teachers are the mistakes of which the model was *most certain*. Would you have known better?

# %% tags=["nbval-ignore-output"]
certainty = probabilities.max(dim=-1).values.masked_fill(predictions == labels, 0.0)
for place in certainty.topk(6).indices.tolist():
    label, text = test_pairs[place]
    print(f"{certainty[place]:.3f} sure of {names[predictions[place]]}, but from {names[label]}:\n    {text[:150]}\n")

# %% [markdown]
# **Think! 8.2.** Is it *meaning* that the model has learned? What else could give away where a sentence comes from? How would you find out?

# %% [markdown] tags=["solution"]
# **Discussion.** Each place has its habits: tweets have `@anonymous` and exclamation marks, product reviews name brands and prices, editorials speak of senators. Such **cues** of the collection are
# a fair way to tell the places apart, but they say nothing about a *new* place: a film review in a newspaper, say. To find out, take a cue away (delete every `@anonymous`) and measure again, or test on texts from elsewhere. A high
# accuracy on texts from the same collection does not tell the two apart.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 5")

# %% [markdown]
# ## 6. You built BERT (12 minutes, optional)
#
# Is there any magic in that model? Let us build it from *your* layers: the attention of lesson 2, the heads of lesson 3, the block of lesson 4. Only what comes before the first block is new. BERT adds
# **three** vectors for each token, and norms the sum: the word's, its position's (learned, not sines), and one that says whether the token belongs to the first or the second text (its *segment*; always the first, here).


# %%
class Bert(nn.Module):
    """BERT's encoder, from the course's own layers (Devlin et al. 2018)."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        k, eps = config.hidden_size, config.layer_norm_eps
        self.words = nn.Embedding(config.vocab_size, k)
        self.positions = nn.Embedding(config.max_position_embeddings, k)
        self.segments = nn.Embedding(config.type_vocab_size, k)
        self.norm = nn.LayerNorm(k, eps=eps)
        sizes = {"num_heads": config.num_attention_heads, "hidden_dim": config.intermediate_size}
        details = {"dropout": 0.0, "bias": True, "activation": "gelu", "norm_eps": eps}
        self.blocks = nn.ModuleList([TransformerBlock(k, **sizes, **details) for _ in range(config.num_hidden_layers)])

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> list[torch.Tensor]:
        """Token ids and mask (b, t) give vectors (b, t, k): before the first block, and after each."""
        places = torch.arange(input_ids.shape[1])
        x = self.norm(self.words(input_ids) + self.positions(places) + self.segments(torch.zeros_like(input_ids)))
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1], attention_mask.bool()[:, None, None, :]))
        return states


# %% [markdown]
# The pretrained weights only bear other names. A table translates. `load_state_dict` is strict: if one weight were missing or had another shape, it would stop.

# %%
OURS = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "segments",
    "embeddings.LayerNorm": "norm",
    "encoder.layer": "blocks",
    "attention.self.query": "attention.to_queries",
    "attention.self.key": "attention.to_keys",
    "attention.self.value": "attention.to_values",
    "attention.output.dense": "attention.unify_heads",
    "attention.output.LayerNorm": "norm_1",
    "intermediate.dense": "mlp.0",
    "output.dense": "mlp.2",
    "output.LayerNorm": "norm_2",
}
weights = {}
for name, weight in encoder.state_dict().items():
    for theirs, ours in OURS.items():
        name = name.replace(theirs, ours)
    weights[name] = weight
built = Bert(encoder.config).eval()
built.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith("pooler")})

# %% [markdown]
# (The *pooler*, which we left out, is a layer behind the encoder: it prepares the vector of `[CLS]` for a classifier.)
#
# Now the test: eight real sentences of different lengths, so there is padding. **Predict first:** how much will the two models differ?

# %%
with torch.no_grad():
    theirs = encoder(input_ids, attention_mask=attention_mask).last_hidden_state  # (8, t, k)
    mine = built(input_ids, attention_mask)[-1]
difference = (theirs - mine).abs()[attention_mask.bool()]  # at the words
print("largest difference below 0.00001:", bool(difference.max() < 1e-5))

# %%
figure, axes = plots.panels(1, 1, width=4.6, height=4.0)
words = attention_mask.bool()
axes[0, 0].plot(theirs[words].flatten()[::37], mine[words].flatten()[::37], ".", color=plots.BLUE, alpha=0.5)
axes[0, 0].set(title="The same numbers", xlabel="transformers' BERT", ylabel="yours")
figure

# %% [markdown]
# That is all there is to it. What you wrote in lessons 2 to 4, with the right weights in it, *is* BERT.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 6")

# %% [markdown]
# ## 7. `bank`, once more (6 minutes, optional)
#
# In lesson 2, `bank` had one vector, for rivers and for money alike, and you mixed in its neighbours by hand. What does the pretrained model do?
#
# **Predict first:** *before* the first block, how similar are the vectors of the word `bank` in the sentences below? And after the last?

# %%
sentences = [
    "They moored the boat and sat down on the bank of the river.",
    "He took out a loan and carried the money to the bank in town.",
    "She opened an account and put her savings in the bank at once.",
]
encoded = tokenizer(sentences, padding=True, return_tensors="pt")
at_bank = encoded["input_ids"] == tokenizer.convert_tokens_to_ids("bank")  # (3, t), True once in each row
with torch.no_grad():
    states = [built.words(encoded["input_ids"]), *built(encoded["input_ids"], encoded["attention_mask"])[1:]]
river, money, savings = torch.stack([x[at_bank] for x in states], dim=1)  # each (1 + blocks, k)
plots.curves(
    list(range(len(states))),
    {
        "money and savings": F.cosine_similarity(money, savings, dim=-1),
        "money and river": F.cosine_similarity(money, river, dim=-1),
    },
    title="One word, two meanings: context pulls them apart",
    xlabel="blocks passed",
    ylabel="cosine of the two vectors of “bank”",
)

# %%
print("before any context, one and the same vector:", torch.allclose(river[0], money[0]))
after = F.cosine_similarity(money[-1], torch.stack([savings[-1], river[-1]]), dim=-1)
print("after it, money is nearer to savings than to river:", bool(after[0] > after[1]))

# %% [markdown]
# The loop is closed: attention, which you began with as a weighted average of three numbers, gives a word the meaning that its neighbours call for.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 7")

# %% [markdown]
# ## 8. Freeze the encoder (6 minutes, optional)
#
# Must the encoder be trained at all? Leave it **frozen**: compute each sentence's vector once (the mean over its words, as this model was tuned to be used), and train only a
# linear classifier on top. To save time, on 800 texts only.
#
# **Predict first:** is it better or worse than a bag of words on the same 800?


# %%
def sentence_vector(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the words' vectors, (b, k), without the padding."""
    vectors = encoder.to(DEVICE)(ids, attention_mask=mask).last_hidden_state.float()
    return (vectors * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


few, held_out = same[:800], test_pairs[::4][:800]
few_vectors, held_out_vectors = over_batches(sentence_vector, few), over_batches(sentence_vector, held_out)
frozen = LogisticRegression(max_iter=1000, C=10).fit(few_vectors, [label for label, _ in few])
frozen_accuracy = frozen.score(held_out_vectors, [label for label, _ in held_out])
bag_accuracy = bag_of_words(few, held_out)

# %%
plots.bars(
    ["bag of words, 800 texts", "frozen encoder, 800 texts", f"fine-tuned, {8 * STEPS:,} texts"],
    [bag_accuracy, frozen_accuracy, accuracy],
    title="Frozen: cheap, and already good",
    xlabel="accuracy",
    xlim=(0, 1.1),
)

# %%
print("with the same 800 labels, the frozen encoder beats the bag of words:", frozen_accuracy > bag_accuracy)

# %% [markdown]
# Careful with the last bar: it had five times as many labels, and it was measured on all the held-out texts. What you *can* compare are the first two. Frozen is the cheap choice: one pass over the
# texts, no gradients, and one encoder can serve many tasks. Fine-tuning usually wins when there are enough labels and time.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 8")

# %% [markdown]
# ## 9. Larger, longer, on several processors (10 minutes, optional)
#
# The second code cell holds what you may turn. Then run the lesson from the top.
#
# | you want | set |
# |---|---|
# | a harder task: 1 to 5 stars, as in lesson 7 | `TASK = "levels"` |
# | to train longer | `STEPS = 2000` |
# | BERT-base on AG News | `DATA = "full"`; it needs the internet, and a GPU to be quick |
# | another model | `MODEL = "…"`, a name on the hub or a directory |
#
# The same training is also a program. Several processes can share it: each takes its part of every batch, and they average their gradients before each step. In a terminal, with `pip install accelerate`:
#
# ```
# python -m helpers.fine_tune --steps 500 --output fine-tuned
# accelerate launch --multi_gpu --num_processes 2 -m helpers.fine_tune --steps 500 --output fine-tuned
# ```
#
# **Predict first:** if two processes train on the halves of each batch, is the result the *same* model as with one?
#
# Try it with pencil and paper, or here: the gradient of a batch's mean loss against the mean of its halves' gradients.

# %%
toy = nn.Linear(3, 4)
x, y = torch.randn(8, 3), torch.arange(8) % 4


def gradient(places: slice) -> torch.Tensor:
    """The gradient of the mean loss over some places of the batch."""
    return torch.autograd.grad(F.cross_entropy(toy(x[places]), y[places]), toy.weight)[0]


whole, halves = gradient(slice(0, 8)), (gradient(slice(0, 4)) + gradient(slice(4, 8))) / 2
plots.heatmap(
    torch.cat([whole, halves], dim=1), title="Whole batch | mean of its halves", xlabel="weight", ylabel="class"
)

# %%
print("the same gradient, up to rounding:", torch.allclose(whole, halves, atol=1e-6))

# %% [markdown]
# The same, because the halves are equally large. So the batch, not the number of processes, decides what is learned. (Dropout would draw other numbers in each process: one more reason that we
# left it out.)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 9")

# %% [markdown]
# ## 10. What else? (5 minutes, optional)
#
# The encoder stays; what you put on top decides the task.
#
# | task | on top | class in transformers |
# |---|---|---|
# | which kind of text? | `[CLS]` to classes | `AutoModelForSequenceClassification` |
# | **entities**: which words name people, places, firms? | *each* token to classes | `AutoModelForTokenClassification` |
# | **question answering**: where in this text is the answer? | each token to two scores: it begins here, it ends here | `AutoModelForQuestionAnswering` |
# | which sentences mean the same? | nothing: compare the vectors | `AutoModel` |
#
# The last one needs no training, because this encoder was tuned for it. Search the held-out sentences of section 8 by *meaning*. Change the question; note that the answers need not share a word with it.

# %% tags=["nbval-ignore-output"]
question = "This gadget broke after a few days."
asked = over_batches(sentence_vector, [(0, question)])  # (1, k)
similarity = F.cosine_similarity(asked, held_out_vectors)
for place in similarity.topk(4).indices.tolist():
    print(f"{similarity[place]:.2f}  {held_out[place][1][:140]}")

# %%
plots.curves(
    list(range(len(held_out))),
    {"sentences": similarity.sort(descending=True).values},
    title="A few sentences are near, most are not",
    xlabel="held-out sentences, from the nearest",
    ylabel="cosine with the question",
)

# %% tags=["form", "nbval-ignore-output"]
feedback_box("08, section 10")

# %% [markdown]
# ## Summary
#
# - Pretraining by masked words needs no labels, and teaches a model grammar and some of the world.
# - A model and its tokenizer belong together; from the hub by name, or from a directory.
# - You wrote `pad_batch`: the tokenizer's own pad id, the longest text of the batch, truncation, a mask.
# - Fine-tuning starts from pretrained weights and one new layer. With 4,000 labels it left a bag of words behind that had five times as many.
# - A number wants its baselines, its class sizes and its mistakes beside it.
# - BERT is made of the layers that you wrote.
#
# Next: [lesson 9](09_bias_in_language_models.ipynb) asks what such a model has learned that nobody wanted to teach it.
#
# ## Where to read more
#
# - Devlin et al. (2018), [BERT](https://arxiv.org/abs/1810.04805).
# - Jay Alammar, [The Illustrated BERT](https://jalammar.github.io/illustrated-bert/).
# - Wang et al. (2020), [MiniLM](https://arxiv.org/abs/2002.10957): how a small model imitates a large one's attention.
# - Sanh et al. (2019), [DistilBERT](https://arxiv.org/abs/1910.01108); Zaheer et al. (2020), [Big Bird](https://arxiv.org/abs/2007.14062).
# - Reimers & Gurevych (2019), [Sentence-BERT](https://arxiv.org/abs/1908.10084): encoders tuned to compare sentences.
# - Hugging Face's pages on [fine-tuning](https://huggingface.co/docs/transformers/training) and [accelerate](https://huggingface.co/docs/accelerate).
#
# *The path from tokenizer to fine-tuned classifier follows the lesson on BERT in Microsoft's
# [AI for Beginners](https://github.com/microsoft/AI-For-Beginners) (MIT). The words and the code are ours.*
