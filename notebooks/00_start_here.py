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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/00_start_here.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/00_start_here.ipynb)
#
# # 0. Start here
#
# **After this lesson you can**
# - tell whether everything works on the computer in front of you;
# - fill in a blank, run its check, and read what the check says;
# - find your way through the course, and see how far you have come.
#
# **Time:** 10 minutes, all of them on the core path.
# **Before:** some Python, matrix products, and the idea of a gradient. It helps to have seen a neural network in PyTorch.
#
# A notebook is a column of cells. Click into a cell and press **Shift+Enter** to run it and go to the next. Begin with the cell below.

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

from helpers import checks, media, plots
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.progress import progress_table
from helpers.seeding import set_seed
from helpers.surroundings import ten_second_check, where_am_i

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "sample": only what pip brings. "full": larger models and data

# %% [markdown]
# ## 1. Where am I? (2 minutes)
#
# The course runs on a laptop with two processor cores and no GPU, and without internet. This is what you have:

# %%
where_am_i(DATA)

# %% [markdown]
# Now a quick look at everything that the lessons need. A line that does not say *works* tells you what to do.

# %%
ten_second_check()

# %% tags=["form"]
feedback_box("00, section 1")

# %% [markdown]
# ## 2. How exercises and checks work (5 minutes)
#
# Each lesson has an exercise or two: a piece of code with a few **blanks**, written `...`. You replace them, run the cell, then run
# the **check** in the cell below it. Here is a small one.
#
# ### Exercise 0: a weighted average
#
# Three friends rate a film: 2, 3 and 5 stars. You trust the third one most, so you weigh their ratings 0.2, 0.2 and 0.6.
# Multiply each value by its weight, and add up. Attention does just this.
#
# Both arguments are tensors of shape (n,); the answer is one number, a tensor without axes.
#
# <details><summary>Hint 1</summary>
#
# `values * weights` multiplies place by place.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `.sum()` adds up all the places of a tensor. The weights add up to 1 already, so there is nothing to divide by.
#
# </details>


# %% tags=["exercise"]
# Exercise 0: a weighted average
def weighted_average(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Values (n,) and weights (n,), which add up to 1, give one number."""
    return ...


# %% tags=["check"]
checks.weighted_average(weighted_average)

# %% [markdown]
# A check that passes says so in one line. A check that fails is no verdict: it says what came out, what should have, and where
# to look. This is what it tells somebody who forgot the weights:


# %%
def plain_average(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return values.mean()


try:
    checks.weighted_average(plain_average, seed=7, record=False)
except checks.CheckFailed as failed:
    print(failed)

# %% [markdown]
# Good to know:
#
# - **Any right answer passes**, in any style, if it keeps the names and arguments that the skeleton gives: the check finds your work by
#   them, and so do later cells. Numbers are fresh at each run.
# - **If you fail at the same place again**, the check names the folded hint that is about it.
# - **You are never stuck for good.** From lesson 1 on, a line under each check imports our answer. Use it, go on, and come back.
# - **“What you should see”** and **“One answer”** unfold ours, so that you can compare.
# - **After *Run All*** with blanks open, everything stops at the first check: the page ends in empty cells, and the red sentence that
#   says why is further up.
#
# Your average at work, on the three friends:

# %% tags=["expected-output"]
ratings = torch.tensor([2.0, 3.0, 5.0])
trust = torch.tensor([0.2, 0.2, 0.6])
average = weighted_average(ratings, trust)
plots.bars(
    ["first friend (weight 0.2)", "second friend (weight 0.2)", "third friend (weight 0.6)", "weighted average"],
    [*ratings.tolist(), float(average)],
    title="Most weight on the third friend: 4 stars, not 3.33",
    xlabel="stars",
    colour=[plots.BLUE] * 3 + [plots.VERMILION],
)

# %% tags=["form"]
media.what_you_should_see("00_start_here_1")

# %% tags=["form"]
feedback_box("00, section 2")

# %% [markdown]
# ## 3. The map (2 minutes)
#
# | lesson | what you build | minutes | core path |
# |---|---|---|---|
# | 0. Start here | a weighted average | 10 | 10 |
# | [1. From one vector to alignment](01_from_one_vector_to_alignment.ipynb) | additive attention | 60 | 55 |
# | [2. Queries, keys, values](02_queries_keys_values.ipynb) | scaled dot-product attention | 65 | 45 |
# | [3. Many heads](03_many_heads.ipynb) | self-attention with many heads | 75 | 60 |
# | [4. The Transformer block](04_transformer_block.ipynb) | a block as in BERT and GPT | 80 | 65 |
# | [5. Where is each word?](05_positional_encoding.ipynb) | positional encoding | 70 | 60 |
# | [6. Decoding and generation](06_decoding_and_generation.ipynb) | the causal mask, and a decoder block | 95 | 85 |
# | [7. Train a Transformer](07_train_a_transformer.ipynb) | a classifier of reviews | 75 | 65 |
# | [8. Fine-tune BERT](08_fine_tune_bert.ipynb) | batches for BERT; BERT itself | 95 | 55 |
# | [9. What did it learn? Bias in language models](09_bias_in_language_models.ipynb) | how probable an option is | 75 | 75 |
# | [10. Beyond language](10_beyond_language.ipynb) | a picture cut into patches | 60 | 50 |
# | [11. Pieces of words](11_pieces_of_words.ipynb) | where the numbers come from: count, merge, repeat | 90 | 90 |
# | [12. A modern decoder](12_a_modern_decoder.ipynb) | turned positions, shared keys, the smallest likely set | 130 | 118 |
# | [13. Look inside](13_look_inside.ipynb) | what a head does, and whether it matters | 110 | 98 |
# | [14. Teach it something new, cheaply](14_cheap_adaptation.ipynb) | a low-rank adapter, and weights in few bits | 90 | 65 |
#
# Each lesson can be opened on its own: what earlier lessons built is imported. Sections that say *optional* can wait.

# %% [markdown]
# ## 4. How far have you come? (1 minute)
#
# Checks that pass are kept in a small file on your own computer. Come back here whenever you like, and run this cell again.
# (Exercise 0 was only for practice, so it is not counted.)

# %%
progress_table({number: listed.title for number, listed in checks.EXERCISES.items() if listed.lesson != "00"})

# %% [markdown]
# ## Summary
#
# - Everything works, or you know what to do about it.
# - Blank, run, check, read, try again: that is the rhythm of the course.
#
# Next: [lesson 1](01_from_one_vector_to_alignment.ipynb) shows what attention was invented for.

# %% tags=["form"]
feedback_box("00, the whole lesson")
