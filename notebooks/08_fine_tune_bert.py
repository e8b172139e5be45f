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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/08_fine_tune_bert.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/08_fine_tune_bert.ipynb)
#
# # 8. Fine-tune BERT
#
# **After this lesson you can**
# - say what a pretrained model has learned, and from what;
# - turn labelled texts into the batches that BERT reads;
# - fine-tune a pretrained model on a laptop, choose what the classifier reads and how much of the model learns;
# - report honestly what it reached;
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

import math
import tempfile
from copy import deepcopy
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from helpers import checks, media, plots
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
STEPS, READS = 500, "mean"  # READS: which vector the classifier reads, "mean" or "[CLS]"
MODEL, MAX_LEN, LEARNING_RATE, FROZEN = None, 32, 1.5e-4, 3  # FROZEN: how many of the lowest blocks do not learn
if DATA == "full":
    MODEL, MAX_LEN, LEARNING_RATE, FROZEN = "google-bert/bert-base-uncased", 128, 2e-5, 0

# %% [markdown]
# ## 1. A model that has read a great deal (7 minutes)
#
# In lesson 7 a Transformer learned from twelve thousand sentences, and did about as well as counting words. It had to learn
# English and the task at once, from the same few labels.
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
# **Predict first:** what could stand in the two gaps? How do you know?
#
# The sentence was about a *harbour*, and sailors who *sang*; *port* and *cheered* would do as well. You used grammar (after
# *the sailors*, a verb is missing) and what you know of the world (ships leave harbours). Whoever gets good at this game has to
# learn both. Nobody has to label anything: the hidden words are the answers.
#
# This is **pretraining** by *masked words*. BERT (Devlin et al. 2018) learned that way from Wikipedia and eleven thousand books,
# and had to guess 15% of the tokens. (It also had to say whether two pieces of text follow each other; later models left that out.)
#
# Then you keep the model, put a small new layer on top, and train it a little on *your* task: **fine-tuning**. Using what
# was learned elsewhere is called **transfer learning**.

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
# The model of this lesson is all-MiniLM-L6-v2: BERT's architecture and vocabulary, 6 layers, 384 wide. Be clear about what it is. It was **distilled** (trained to imitate a
# larger model), then **tuned for sentences**: two that mean the same should get nearly the same vector. A sentence's vector was the **mean** of the vectors of its tokens;
# remember that for section 4. It is not BERT-base, and as it comes it can no longer guess masked words. (With `DATA = "full"` in the second code cell, the lesson loads BERT-base.)

# %% tags=["form"]
feedback_box("08, section 1")

# %% [markdown]
# ## 2. Its tokenizer, and no other (8 minutes)
#
# A pretrained model knows *great* as token 2307, because that was its number while the model learned. With another numbering it
# would read nonsense, and no error would tell you. So a model and its **tokenizer** travel together, under one name.
#
# **Predict first:** will *PyTorch* be one token?

# %%
tokenizer.encode("PyTorch is a great framework for NLP")

# %%
tokenizer.convert_ids_to_tokens(tokenizer.encode("PyTorch is a great framework for NLP"))

# %% [markdown]
# No: it takes four pieces (`##` means “no space before this one”), and *NLP* takes two. Both are too rare for a number of their own.
#
# Two tokens are new: lesson 7 left them out. `[CLS]`, short for *classification*, begins every text. `[SEP]` ends a text, and stands between
# two of them.
#
# A name such as `google-bert/bert-base-uncased` is looked up on the Hugging Face hub. A **directory** works as well, without any
# network. What must it hold? Save the tokenizer and the model's settings, look inside, and load the tokenizer from there.

# %%
with tempfile.TemporaryDirectory() as folder:
    tokenizer.save_pretrained(folder)
    encoder.config.save_pretrained(folder)
    files = sorted(path.name for path in Path(folder).iterdir())
    from_directory = load_tokenizer(folder)
print(files)
print("from the directory:", from_directory.encode(text))
print("as before:         ", tokenizer.encode(text))

# %% [markdown]
# `tokenizer.json` holds the vocabulary and the rules, `tokenizer_config.json` says which class reads it, `config.json` which kind of model it belongs to. For the
# *model* itself, `model.safetensors` stands beside them, with the weights. (Older models come as `pytorch_model.bin`, a *pickle*, which can run any code while it is
# opened. This course loads safetensors only.)
#
# Now the texts of this lesson: sentences from four *places*, which are the classes. They are film reviews, newspaper editorials, tweets and product reviews.

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
# The task is to say where a sentence comes from. Published results are often about *AG News* instead: news in four topics, as many of each. Our classes are *kinds of text*, not
# topics. How large are they, and how long are the texts?


# %%
def token_counts(pairs: list[tuple[int, str]]) -> list[int]:
    """How many tokens each text has."""
    return [len(token_ids) for token_ids in tokenizer([text for _, text in pairs])["input_ids"]]


figure, axes = plots.panels(1, 2, width=9, height=2.8)
labels = torch.tensor([label for label, _ in test_pairs])
shares = torch.bincount(labels, minlength=len(names)) / len(labels)
plots.bars(names, shares, title="One class is nearly half", xlabel="share of the held-out texts", ax=axes[0, 0])
lengths = token_counts(test_pairs)
axes[0, 1].hist(lengths, bins=range(0, 73, 3), color=plots.BLUE)
too_long = sum(length > MAX_LEN for length in lengths) / len(lengths)
axes[0, 1].axvline(MAX_LEN, color=plots.VERMILION)
told, high_up = f"{too_long:.0%} are longer than {MAX_LEN}", axes[0, 1].get_xaxis_transform()
axes[0, 1].text(MAX_LEN + 2, 0.9, told, color=plots.VERMILION, transform=high_up)
axes[0, 1].set(title="Most texts are short", xlabel="tokens (a few texts have more than 72)", ylabel="texts")
figure

# %% [markdown]
# The classes are **unbalanced**: whoever always says “film review” is right 45 times in 100. And most texts are short. So we let the model read the first 32 tokens of each:
# that saves time, and what is lost are the ends of the longer ones.

# %% tags=["form"]
feedback_box("08, section 2")

# %% [markdown]
# ## 3. Write it yourself: texts into a batch (11 minutes)
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
# Rows of different lengths make no rectangle. You know the remedy: **padding**, and a **mask** that says where the words are. One thing
# is new: a text can be too long. BERT has a vector for each of 512 positions, and none for the 513th. So texts are **truncated**.
#
# ### Exercise 8: texts into a batch
#
# Fill in the blanks (`...`): `pad_batch` gets a list of pairs (label, text), and returns three tensors:
#
# 1. `labels` (b,);
# 2. `input_ids` (b, t), padded with the **tokenizer's own** pad id to the **longest text of the batch**, truncated at `max_len`;
# 3. `attention_mask` (b, t): 1 at words, 0 at padding.
#
# Keep the order of the texts. The labels already start at 0. Call the tokenizer itself, `tokenizer(...)`: the `tokenizer.batch_encode_plus(...)` of older tutorials is gone from
# transformers 5.
#
# <details><summary>Hint 1</summary>
#
# The tokenizer does all of it when you call it with a *list* of texts. Tell it three things: to pad (to the longest of the batch), to truncate, and at
# what length.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `padding=True` and `truncation=True` say yes to both, `max_length=` says where to cut, and `return_tensors="pt"` asks for torch's tensors. What comes back works like a
# dictionary; its keys have the names of what you return.
#
# </details>


# %% tags=["exercise"]
# Exercise 8: texts into a batch
def pad_batch(
    batch: list[tuple[int, str]], tokenizer: Any, max_len: int = 128
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs (label, text) give labels (b,), token ids (b, t), and a mask (b, t): 1 at words, 0 at padding."""
    labels, texts = zip(*batch, strict=True)
    encoded = ...  # what the tokenizer makes of the list of texts: padded, truncated, tensors
    return ...  # three tensors: labels, token ids, mask


# %% tags=["check"]
checks.pad_batch(pad_batch)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import pad_batch

# %% [markdown]
# Your function at work, on eight texts from all over the data. Bright is read, dark is padding. One of them was longer than 32 tokens: which?

# %% tags=["expected-output"]
eight = train_pairs[2000::2500]
labels_of_eight, input_ids, attention_mask = pad_batch(eight, tokenizer, max_len=32)
figure, axes = plots.panels(1, 1, width=6.4, height=2.6)
axes[0, 0].imshow(attention_mask, aspect="auto", interpolation="none", vmin=0, vmax=1)
axes[0, 0].set(title="Each text ends where its words end", xlabel="token", ylabel="text of the batch")
figure

# %% tags=["form"]
media.what_you_should_see("08_fine_tune_bert_1")

# %% [markdown]
# Text 3 (the fourth): it fills its row to the end. Here is what the model gets of text 0, and the class of each text.

# %%
print(tokenizer.decode(input_ids[0]))
print("classes:", [names[label] for label in labels_of_eight])

# %% [markdown]
# **Think! 8.1.** One copy of AG News on the internet counts its labels from 1. What would happen if you trained four classes with labels 1 to 4, and nobody
# noticed?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# With luck you get an error: cross-entropy looks for logit number 4, and four classes have logits 0, 1, 2 and 3. On a GPU that error is a cryptic *device-side assert*.
# Without luck, the model has five logits for its labels 1 to 4: nothing stops, class 0 never occurs, and every name in your table is off by one.
#
# </details>

# %% tags=["form"]
feedback_box("08, section 3")

# %% [markdown]
# ## 4. Fine-tune it (18 minutes)
#
# transformers has a class for our task: the encoder, and on top a linear layer that turns one vector into a logit for each class. `load_classifier` loads it. Which of its weights come
# from pretraining, and which do not?

# %%
set_seed(2021)
recipe = load_classifier(len(names), MODEL)
pretrained = {f"{recipe.base_model_prefix}.{name}" for name, _ in encoder.named_parameters()}  # "bert.embeddings…"
new = [name for name, _ in recipe.named_parameters() if name not in pretrained]
print(len(pretrained), "tensors from pretraining; new:", new)

# %% [markdown]
# When you load such a model yourself, transformers warns: *some weights were newly initialized: classifier.weight, classifier.bias. You should probably train this model*. That is no mistake
# of yours: nobody has trained a classifier for *your* classes, so its weights are random. (We silenced the warning. If it named weights of the encoder, something would be broken.)
#
# ### Which vector should the classifier read?
#
# The published recipe reads the vector of `[CLS]`: in BERT's pretraining it had to tell whether two texts belong together, so it learned to speak for the whole text. Our encoder was tuned
# through the **mean** of all its vectors; `[CLS]` is just one of them.
#
# **Predict first:** leave the encoder as it is, and let lesson 7's logistic regression read either vector. Which does better?
#
# First we need the vectors. Texts of similar length go together; the last line restores the order.


# %%
@torch.inference_mode()
def over_batches(function: Any, pairs: list[tuple[int, str]], batch_size: int = 64) -> torch.Tensor:
    """Apply `function(input_ids, attention_mask)`, which gives a row for each text; return the rows in the pairs' order."""
    order = torch.tensor(token_counts(pairs)).clamp(max=MAX_LEN).argsort(stable=True)
    rows = []
    few = len(order) < 30 * batch_size  # needs no bar
    for start in tqdm(range(0, len(order), batch_size), unit="batch", disable=few):
        batch = [pairs[place] for place in order[start : start + batch_size].tolist()]
        _, input_ids, attention_mask = pad_batch(batch, tokenizer, MAX_LEN)
        with autocast(DEVICE):
            rows.append(function(input_ids.to(DEVICE), attention_mask.to(DEVICE)).float().cpu())
    return torch.cat(rows)[order.argsort()]


# %% [markdown]
# Then 400 texts to learn from and 400 to test on. All of them are *training* texts: if the held-out ones helped us choose, they could not judge the result fairly.

# %%
shuffled = torch.randperm(len(train_pairs), generator=torch.Generator().manual_seed(2021)).tolist()
some = [train_pairs[place] for place in shuffled[:800]]
as_it_comes = deepcopy(encoder).to(DEVICE)  # a copy: the original stays on the CPU


def cls_and_mean(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """For each text the vector of [CLS], then the mean of all vectors (without the padding), (b, 2k)."""
    x = as_it_comes(ids, attention_mask=mask).last_hidden_state.float()  # (b, t, k)
    words = mask[:, :, None]  # (b, t, 1)
    return torch.cat([x[:, 0], (x * words).sum(dim=1) / words.sum(dim=1)], dim=1)


cls, mean = over_batches(cls_and_mean, some).chunk(2, dim=1)  # each (800, k)

# %%
from sklearn.linear_model import LogisticRegression

some_labels = [label for label, _ in some]


def accuracy_with(vectors: torch.Tensor, count: int) -> float:
    """Learn from the first `count` vectors; return the accuracy on the last 400."""
    read = LogisticRegression(max_iter=2000).fit(vectors[:count], some_labels[:count])
    return read.score(vectors[400:], some_labels[400:])


counts = [50, 100, 200, 400]
before = {name: [accuracy_with(x, count) for count in counts] for name, x in (("[CLS]", cls), ("mean", mean))}
plots.curves(
    counts, before, title="Frozen encoder: the mean knows more", xlabel="texts to learn from", ylabel="accuracy"
)

# %% [markdown]
# The mean is well ahead, as the tuning promised. But when you fine-tune, the *encoder* learns, too. So write a classifier that can read either.


# %%
class TextClassifier(nn.Module):
    """An encoder, and a linear layer that turns one vector for each text into a logit for each class."""

    def __init__(self, encoder: Any, num_classes: int, reads: str = "mean") -> None:
        super().__init__()
        self.encoder = deepcopy(encoder)  # a copy: training it leaves the original as it is
        self.reads = reads
        self.head = nn.Linear(encoder.config.hidden_size, num_classes)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token ids and mask (b, t) give logits (b, c)."""
        x = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state  # (b, t, k)
        if self.reads == "[CLS]":
            return self.head(x[:, 0])  # [CLS] is the first token
        words = attention_mask[:, :, None]  # (b, t, 1)
        return self.head((x * words).sum(dim=1) / words.sum(dim=1))  # the mean, without the padding


# %% [markdown]
# **Predict first:** what is the cross-entropy of such a classifier before any training? There are four classes.

# %%
set_seed(2021)
with torch.no_grad():
    logits = TextClassifier(encoder, len(names))(input_ids, attention_mask)  # (8, 4)
print(f"loss {F.cross_entropy(logits, labels_of_eight):.2f}; log 4 = {math.log(4):.2f}")
plots.bars(
    names,
    logits.softmax(dim=-1).mean(dim=0),
    title="Before training: no idea",
    xlabel="probability, mean of eight texts",
    xlim=(0, 1),
)

# %% [markdown]
# Close to log 4, the loss of a model that finds four classes equally likely. The new layer has everything to learn; the encoder only has to adapt.
#
# **Predict first:** now let encoder and classifier learn together. Does the mean stay ahead? Eighteen trainings are too many for your laptop, so here is what they gave once, on a processor with bfloat16: for either vector
# three numbers of texts, and three seeds for each. (Every training is one command, such as `python -m helpers.fine_tune --reads cls --freeze 3 --steps 25 --seed 1`.)

# %%
accuracy_of = {  # of all held-out texts, with seeds 1, 2 and 3
    "[CLS]": {200: (0.6515, 0.8036, 0.6802), 800: (0.9070, 0.9039, 0.9036), 4000: (0.9321, 0.9318, 0.9304)},
    "mean": {200: (0.7884, 0.8436, 0.7566), 800: (0.9028, 0.9017, 0.9067), 4000: (0.9296, 0.9301, 0.9327)},
}
figure, axes = plots.panels(1, 1, width=6.4, height=3.4)
for name, colour, shift in (("[CLS]", plots.BLUE, 0.96), ("mean", plots.VERMILION, 1.04)):
    for texts_read, seeds in accuracy_of[name].items():
        label = name if texts_read == 200 else None
        axes[0, 0].plot([shift * texts_read] * 3, seeds, "o", color=colour, alpha=0.7, label=label)
axes[0, 0].set(title="Fine-tuning closes the gap", xlabel="texts to learn from", ylabel="accuracy, three seeds")
axes[0, 0].set_xscale("log")
axes[0, 0].set_xticks([200, 800, 4000], ["200", "800", "4,000"])
axes[0, 0].minorticks_off()
axes[0, 0].legend(title="the classifier reads")
figure

# %% [markdown]
# With 200 texts, the mean is ahead for every seed, by 8 points on average. From 800 on, the two differ less than seeds do: the blocks that learn also learn to gather in `[CLS]` what the classifier needs. That takes labels, and the mean
# needs none for it. So we read the mean: far ahead when labels are few, and no worse when there are many. (Held-out texts should not choose for us, but with 4,000 labels they leave nothing to choose.)
#
# ### Train it
#
# There is nothing new in the loop. Texts of similar length share a batch, as in lesson 7. The step size falls to zero along a straight line: large steps first, then finer ones.
# And note `loss.item()`: a *number*. If you add up the loss **tensors** instead, the computation of every step stays in memory.


# %%
def fine_tune(model: nn.Module, pairs: list[tuple[int, str]], steps: int, learning_rate: float) -> list[float]:
    """Train a classifier for some steps of 8 texts; return the loss of each step."""
    lengths = [min(count, MAX_LEN) for count in token_counts(pairs)]
    sampler = SimilarLengths(lengths, batch_size=8, seed=2021)
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
                logits = model(input_ids.to(DEVICE), attention_mask.to(DEVICE))  # (b, c)
            loss = F.cross_entropy(logits.float(), labels.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            report.step(loss.item())
    return report.losses


# %% [markdown]
# A laptop is slow, so we help it. There is no dropout: each text is seen only once, so nothing can be learned by heart. On the sample, the embedding (half of all weights) and the lowest three blocks
# are **frozen**: they stay as they are. (Section 8 shows what that gains and what it costs.) `fused=True` lets AdamW update all weights in one go, and `autocast` computes in half-width numbers,
# *bfloat16*, if your processor has them.


# %%
def new_classifier(frozen: int) -> TextClassifier:
    """A classifier to train: no dropout, some of the lowest blocks frozen, at every call the same random head."""
    torch.manual_seed(2021)
    model = TextClassifier(encoder, len(names), READS)
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    model.encoder.embeddings.requires_grad_(DATA == "full")
    blocks = next(part for part in model.encoder.modules() if isinstance(part, nn.ModuleList))
    blocks[:frozen].requires_grad_(False)
    return model


classifier = new_classifier(FROZEN)
sizes = [(weight.numel() / 1e6, weight.requires_grad) for weight in classifier.parameters()]
print(f"{sum(size for size, learns in sizes if learns):.1f} of {millions:.1f} million weights will learn")

# %% [markdown]
# It takes about a minute. After five steps it says how long.
#
# **Predict first:** 500 steps of 8 are 4,000 texts. After how many has the loss come half-way down?

# %%
losses = fine_tune(classifier, train_pairs, STEPS, LEARNING_RATE)

# %%
draw_losses({"fine-tuning": losses})

# %% [markdown]
# The first 20 steps, or 160 texts, brought the loss from 1.39 to below 0.8: half-way, and more. All the other texts are for the rest of the way. (Every text is new to the model when its loss is taken, so this curve shows what it
# makes of texts it has not seen.)

# %% tags=["form"]
feedback_box("08, section 4")

# %% [markdown]
# ## 5. Is it any good? (11 minutes)
#
# Now the held-out texts: **all** of them, in eval mode and without gradients.

# %%
classifier.eval()
probabilities = over_batches(lambda ids, mask: classifier(ids, mask).softmax(-1), test_pairs)  # (n, c)
predictions = probabilities.argmax(dim=-1)  # (n,)
right = (predictions == labels).sum().item()
accuracy = right / len(labels)
print(f"{right:,} of {len(labels):,} right: {accuracy:.3f}")

# %% [markdown]
# Is that much? Ask two baselines: the largest class, and lesson 7's bag of words (a logistic regression on which words occur). The bag learns once from as many texts as BERT saw,
# 4,000, and once from all of them, five times as many.
#
# **Predict first:** with all those texts, does the bag of words catch up?

# %%
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline


def bag_of_words(pairs: list[tuple[int, str]], test: list[tuple[int, str]]) -> float:
    """Accuracy on `test` of a logistic regression on the words of `pairs`."""
    bag = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(max_iter=300))
    bag.fit([text for _, text in pairs], [label for label, _ in pairs])
    return bag.score([text for _, text in test], [label for label, _ in test])


same = [train_pairs[place] for place in shuffled[: 8 * STEPS]]
reached = {
    "largest class": float(shares.max()),
    f"bag of words, {len(same):,} texts": bag_of_words(same, test_pairs),
    f"bag of words, {len(train_pairs):,} texts": bag_of_words(train_pairs, test_pairs),
    f"fine-tuned, {len(same):,} texts": accuracy,
}
plots.bars(
    list(reached), list(reached.values()), title="Fine-tuning needs fewer labels", xlabel="accuracy", xlim=(0, 1)
)

# %%
_, few_words, all_words, tuned = reached.values()
print(
    f"The bag of words is right in {few_words:.0%} of the texts, and in {all_words:.0%} after reading five times as many."
)
print(f"The fine-tuned model is {'ahead of' if tuned > all_words else 'behind'} both.")

# %% [markdown]
# The bag of words has to learn each word from your labels. The encoder knew a good deal about words before it saw the first label.
#
# For comparison: BERT-base, fine-tuned for 500 such steps, was right on 731 of 808 held-out texts of AG News, or 0.905. You cannot set that number beside ours: other texts, other classes, another
# model, and four classes of equal size.
#
# **Predict first:** which two of our classes are most often mixed up?

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
# Read the **rows**: each adds up to 1. Most often, editorials are taken for film reviews, perhaps because newspapers print both. The rows also show what a single accuracy hides: with unbalanced classes, it
# is mostly about the largest.
#
# You learn most from the mistakes of which the model was *most certain*. Would you have known better?

# %%
certainty = probabilities.max(dim=-1).values.masked_fill(predictions == labels, 0.0)
for place in certainty.topk(6).indices.tolist():
    label, text = test_pairs[place]
    print(f"{certainty[place]:.3f} sure of {names[predictions[place]]}, but from {names[label]}:\n    {text[:150]}\n")

# %% [markdown]
# **Think! 8.2.** Is it *meaning* that the model has learned? What else could give away where a sentence comes from? How would you find out?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# Each place has its habits: tweets have `@anonymous` and exclamation marks, product reviews name brands and prices, editorials speak of senators. Such **cues** of the collection are
# a fair way to tell the four places apart. But they are no help with a *new* place: a film review in a newspaper, say. To find out what the model uses, take a cue away (delete every `@anonymous`) and
# measure again, or test on texts from elsewhere. High accuracy on texts from the same collection says nothing about which it was, meaning or cues.
#
# </details>

# %% tags=["form"]
feedback_box("08, section 5")

# %% [markdown]
# ## 6. You built BERT (12 minutes, optional)
#
# Is there any magic in that model? Build it from *your* layers: the attention of lesson 2, the heads of lesson 3, the block of lesson 4. Only what comes before the first block is new. BERT adds
# **three** vectors for each token, and norms the sum: one for the word, one for its position (learned, not sines), and one that says whether the token belongs to the first or the second text (its *segment*; here
# it is always the first).


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
# The pretrained weights have other names; a table translates. `load_state_dict` is strict: if one weight were missing, or had another shape, it would raise an error.

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
# (We left the *pooler* out: a layer after the encoder, through which the published recipe reads the vector of `[CLS]`.)
#
# Now the test: the eight texts of section 3, with their padding. **Predict first:** how much will the two models differ?

# %%
with torch.no_grad():
    theirs = encoder(input_ids, attention_mask=attention_mask).last_hidden_state  # (8, t, k)
    mine = built(input_ids, attention_mask)[-1]
difference = (theirs - mine).abs()[attention_mask.bool()]  # at the words
print(f"mean size of a number: {theirs[attention_mask.bool()].abs().mean():.4f}")
print(f"largest difference:    {difference.max():.4f}")

# %%
figure, axes = plots.panels(1, 1, width=4.6, height=4.0)
words = attention_mask.bool()
axes[0, 0].plot(theirs[words].flatten()[::37], mine[words].flatten()[::37], ".", color=plots.BLUE, alpha=0.5)
axes[0, 0].set(title="The same numbers", xlabel="transformers' BERT", ylabel="yours")
figure

# %% [markdown]
# Every point lies on the diagonal; what differs is rounding, below 0.00001. What you wrote in lessons 2 to 4, with the right weights in it, *is* BERT.

# %% tags=["form"]
feedback_box("08, section 6")

# %% [markdown]
# ## 7. `bank`, once more (6 minutes, optional)
#
# In lesson 2, `bank` had one vector, for rivers and for money alike, and you mixed in its neighbours by hand. What does the pretrained model do?
#
# **Predict first:** look at the word `bank` in three sentences, two about money and one about a river. *Before* the first block, how similar are its vectors? And after the last?

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
place_of_town = (encoded["input_ids"][1] == tokenizer.convert_tokens_to_ids("town")).nonzero().item()
town = states[-1][1, place_of_town]
for name, other in (("bank of the savings", savings[-1]), ("bank of the river", river[-1]), ("town", town)):
    print(f"bank of the money and {name}: {F.cosine_similarity(money[-1], other, dim=0):.2f}")

# %% [markdown]
# Before any context there is one vector for `bank`, so the cosine is 1. After the last block the two banks that hold money are nearer to each other than to the bank of the river. They do not part completely: it is
# still the same word, and far from another word of the same sentence.

# %% tags=["form"]
feedback_box("08, section 7")

# %% [markdown]
# ## 8. How much of it must learn? (6 minutes, optional)
#
# In section 4 the embedding and the lowest three of six blocks were **frozen**. What did that gain, and what did it cost?
#
# The gain can be counted. The forward pass needs every block. The backward pass stops above the frozen ones: nothing below them is to change. So a step has less to multiply.
#
# **Predict first:** with three blocks frozen, half of them, what share of the work is left? And how does the accuracy suffer when you freeze more and more?

# %%
from torch.utils.flop_counter import FlopCounterMode


def work(frozen: int) -> int:
    """Additions and multiplications of matrix products in one training step on the eight texts."""
    model = new_classifier(frozen)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(input_ids, attention_mask), labels_of_eight).backward()
    return counter.get_total_flops()


blocks = list(range(encoder.config.num_hidden_layers + 1))
work_of = [work(frozen) for frozen in blocks]
plots.bars(
    [str(frozen) for frozen in blocks],
    [each / work_of[0] for each in work_of],
    title="The gain: less work in each step",
    xlabel="work of a step; 1 when all blocks learn",
    ylabel="frozen blocks",
    xlim=(0, 1.1),
)

# %% [markdown]
# Two thirds, not half: the forward pass is a third of a step, and still goes through every block.
#
# Now the cost. Again measured once, as in section 4: 500 steps, reading the mean, all held-out texts, three seeds (only one where 1 or 2 blocks are frozen). (With all six frozen, only the linear layer
# learns; it wants larger steps: `--freeze 6 --learning-rate 5e-3`.)

# %%
frozen_accuracy = [  # for 0 to 6 frozen blocks, a number for each seed
    (0.9287, 0.9265, 0.9366),
    (0.9276,),
    (0.9321,),
    (0.9296, 0.9301, 0.9327),
    (0.9225, 0.9214, 0.9234),
    (0.9028, 0.9048, 0.9025),
    (0.8836, 0.8836, 0.8848),
]
means = [sum(seeds) / len(seeds) for seeds in frozen_accuracy]
figure, axes = plots.panels(1, 1, width=6.4, height=3.2)
for frozen, seeds in enumerate(frozen_accuracy):
    axes[0, 0].plot([frozen] * len(seeds), seeds, "o", color=plots.BLUE, alpha=0.6)
axes[0, 0].plot(range(7), means, color=plots.BLUE)
axes[0, 0].set(title="The cost: none for three blocks, then more with each", xlabel="frozen blocks", ylabel="accuracy")
figure

# %% [markdown]
# Freezing three blocks saves a third of the work, at no cost that these seeds can show. So that is what section 4 did. Each further block costs a point or two.
#
# With *all* six frozen, the linear layer still reaches 0.88: as much as the bag of words with five times the texts. This is the cheap choice. You compute each vector once, and one encoder can serve many tasks.

# %% tags=["form"]
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
# | the other vector, or all blocks learning | `READS = "[CLS]"`, `FROZEN = 0` |
# | BERT-base on AG News | `DATA = "full"`; it needs the internet, and a GPU to be quick |
# | another model | `MODEL = "…"`, a name on the hub or a directory |
#
# The same training is also a program; its figures are those of sections 4 and 8. Several processes can share it: each takes its part of every batch, and they average their gradients before each step. In a
# terminal, with `pip install accelerate`:
#
# ```
# python -m helpers.fine_tune --reads mean --freeze 3
# accelerate launch --multi_gpu --num_processes 2 -m helpers.fine_tune --reads mean --freeze 3
# ```
#
# **Predict first:** if two processes train on the halves of each batch, is the result the *same* model as with one?
#
# Work it out on paper, or look: the gradient of the whole batch's mean loss, and the mean of the gradients of its two halves.

# %%
toy = nn.Linear(3, 4)
x, y = torch.randn(8, 3), torch.arange(8) % 4


def gradient(places: slice) -> torch.Tensor:
    """The gradient of the mean loss over some places of the batch."""
    return torch.autograd.grad(F.cross_entropy(toy(x[places]), y[places]), toy.weight)[0]


whole, halves = gradient(slice(0, 8)), (gradient(slice(0, 4)) + gradient(slice(4, 8))) / 2
figure, axes = plots.panels(1, 2, width=7, height=2.8)
for ax, each, title in zip(axes[0], (whole, halves), ("The whole batch", "Mean of its halves"), strict=True):
    plots.heatmap(each, title=title, xlabel="input", ylabel="class", vmin=-0.5, vmax=0.5, ax=ax)
figure

# %%
print(f"largest difference: {(whole - halves).abs().max():.4f}")

# %% [markdown]
# The same, because the halves are equally large. So what is learned depends on the batch, not on the number of processes. (With dropout, each process would drop other numbers: one more reason to
# leave it out.)

# %% tags=["form"]
feedback_box("08, section 9")

# %% [markdown]
# ## 10. What else? (5 minutes, optional)
#
# The encoder stays; what you put on top decides the task.
#
# | task | on top | class in transformers |
# |---|---|---|
# | which kind of text? | one vector (`[CLS]` here) to classes | `AutoModelForSequenceClassification` |
# | **entities**: which words name people, places, companies? | *each* token to classes | `AutoModelForTokenClassification` |
# | **question answering**: where in this text is the answer? | each token to two scores: it begins here, it ends here | `AutoModelForQuestionAnswering` |
# | which sentences mean the same? | nothing: compare the vectors | `AutoModel` |
#
# The last one needs no training: that is what this encoder was tuned for. Search the 800 sentences of section 4 by *meaning*. Change the question, too; an answer need not share a word with it.

# %%
question = "This gadget broke after a few days."
_, asked = over_batches(cls_and_mean, [(0, question)]).chunk(2, dim=1)  # (1, k)
similarity = F.cosine_similarity(asked, mean)
for place in similarity.topk(4).indices.tolist():
    print(f"{similarity[place]:.2f}  {some[place][1][:140]}")

# %%
plots.curves(
    list(range(len(some))),
    {"sentences": similarity.sort(descending=True).values},
    title="A few sentences are near, most are not",
    xlabel="sentences, the nearest first",
    ylabel="cosine with the question",
)

# %% tags=["form"]
feedback_box("08, section 10")

# %% [markdown]
# ## Summary
#
# - Pretraining by masked words needs no labels, and teaches a model grammar and something of the world.
# - A model and its tokenizer belong together; from the hub by name, or from a directory.
# - You wrote `pad_batch`: the tokenizer's own pad id, the longest text of the batch, truncation, a mask.
# - Fine-tuning starts from pretrained weights and one new layer. With 4,000 labels it beat a bag of words that had five times as many.
# - Read the vector that pretraining made good. A frozen encoder depends on it; one that learns adapts.
# - Beside an accuracy belong its baselines, the sizes of the classes, and the mistakes.
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
