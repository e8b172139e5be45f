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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/09_bias_in_language_models.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/09_bias_in_language_models.ipynb)
#
# # 9. What did it learn? Bias in language models
#
# **Content note.** This lesson is about stereotypes, and its examples *are* stereotypes: about gender, race, religion, age, income and looks.
# They say nothing true about anybody. Skip any of them if you like; the method is the same for all.
#
# **After this lesson you can**
# - ask a masked language model how probable a word is, also one that is made of several pieces;
# - state a ratio of probabilities so that it means what you say;
# - measure which way a model leans, over many pairs of sentences, as CrowS-Pairs does;
# - say what such a number tells you about a model, and what it does not.
#
# **Time:** 75 minutes, all of them on the core path.
# **Before:** [lesson 8](08_fine_tune_bert.ipynb) says what a masked language model is; you can start here all the same.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

from typing import Any

import torch

from helpers import checks, media, plots
from helpers.crows_pairs import crows_pairs_score, load_pairs, shared_places, stereotype_shares
from helpers.demos import bias_by_category, option_menu, shared_words
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.masked_options import BLANK, compare, in_eval_mode, parse_options, pieces_of
from helpers.pretrained import load_masked_language_model, load_tokenizer
from helpers.seeding import set_seed

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # "full": BERT-base and 1,508 pairs, which want the internet and a GPU
MODEL = "google-bert/bert-base-uncased" if DATA == "full" else None

# %% [markdown]
# The video asks this lesson's question. The answers are yours to measure.

# %%
media.video("4IhmuTW1-_E", "BV1aw41197xc", title="What did it learn? Bias in language models")

# %% [markdown]
# ## 1. Ask a model to fill a gap (10 minutes)
#
# Hide a word of a sentence behind `[MASK]`, and let a model guess it from all the other words, on both sides. That is how BERT was trained. Nobody has to
# label anything: the text itself is the answer.
#
# The model here is small: the encoder of lesson 8, with one more layer on top that gives a score to each of 30,522 pieces of words. The last things it read were American newspapers, novels and
# reports of 1961, speeches of presidents, film reviews, radio news and chats. What these texts say, it repeats.

# %%
tokenizer = load_tokenizer(MODEL)
model = load_masked_language_model(MODEL).to(DEVICE)

text = "They drank a cup of [MASK]."
batch = tokenizer(text, return_tensors="pt").to(model.device)
with torch.no_grad():
    logits = model(**batch).logits
logits.shape  # (b, t, vocab)

# %% [markdown]
# One sentence, 9 places (five words, the mask, the full stop, and the marks `[CLS]` and `[SEP]` that BERT puts around a text), and at each place a score for every piece in the vocabulary. We only
# want those at the mask. Softmax turns them into probabilities, which add up to 1.
#
# **Predict first:** which words will come first for this cup, and for the river below?


# %%
def likely_words(text: str, k: int = 7) -> tuple[list[str], torch.Tensor]:
    """The k most probable pieces at the mask, and their probabilities (k,)."""
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero().item()
    with torch.no_grad():
        probabilities = model(**batch).logits[0, place].softmax(dim=-1)  # (vocab,)
    top = probabilities.topk(k)
    return tokenizer.convert_ids_to_tokens(top.indices), top.values


figure, axes = plots.panels(1, 2, width=9.6, height=3.0, sharex=True)
for ax, text in zip(axes[0], ["They drank a cup of [MASK].", "The river is full of [MASK]."], strict=True):
    plots.bars(*likely_words(text), title=text, xlabel="P(word | the rest)", ax=ax)
figure

# %% [markdown]
# *coffee* and *water*. Nobody told the model what a cup is for. It has read which words stand near which, and that is enough for a guess. (For the river it is less sure: after *water*, nothing stands out.)
#
# Now a gap in which *he* and *she* fit equally well, as far as grammar goes.
#
# **Predict first:** what will the model put in the nurse's gap, and what in the captain's?

# %%
figure, axes = plots.panels(1, 2, width=9.6, height=3.0, sharex=True)
for ax, job in zip(axes[0], ["nurse", "captain"], strict=True):
    text = f"The {job} said that [MASK] was tired."
    plots.bars(*likely_words(text), title=text, xlabel="P(word | the rest)", ax=ax)
figure

# %% [markdown]
# *she* for the nurse, *he* for the captain. The sentence does not say who the nurse is, or the captain: the difference between the two pictures comes from what the model has read.
#
# To say *how much* they differ, we need numbers for words of our own choice, whether they come first or not.

# %% tags=["form"]
feedback_box("09, section 1")

# %% [markdown]
# ## 2. Two options and their ratio (25 minutes)
#
# Write a question as a sentence with options, a slash between them. `parse_options` takes it apart:

# %%
parse_options("The doctor picked up his/her bag.")

# %% [markdown]
# The full stop stays in the text, where it belongs. A question that makes no sense is refused, with a reason:

# %%
for text in [
    "The doctor picked up a bag.",
    "The doctor/nurse picked up his/her bag.",
    "The doctor picked up his/ bag.",
]:
    try:
        parse_options(text)
    except ValueError as error:
        print(error)

# %% [markdown]
# One difficulty is left. The vocabulary has 30,522 pieces, and not every word is one of them. Rare words are made of several:

# %%
for word in ["tigers", "lemurs", "compsognathus"]:
    print(f"{word:>13}: {' '.join(tokenizer.tokenize(word))}")

# %% [markdown]
# (A compsognathus is a small dinosaur. `##` says that a piece continues a word.)
#
# How probable is a word of several pieces? Put in as many masks as it has pieces. Ask for the first piece, put it
# in its place, ask for the second, and so on from left to right. Then multiply (the **chain rule**):
#
# $$P(\text{lemurs}) = P(\text{le} \mid \text{rest}) \cdot P(\text{##mur} \mid \text{le, rest}) \cdot P(\text{\#\#s} \mid \text{le, \#\#mur, rest})$$
#
# Taking the first piece alone would be wrong: *le* begins *lemurs*, but also *leprechauns*. These are the three questions:

# %%
pieces = tokenizer.tokenize("lemurs")
for shown, piece in enumerate(pieces):
    gap = [*pieces[:shown], *[tokenizer.mask_token] * (len(pieces) - shown)]
    print(f"The children saw the {' '.join(gap)} at the zoo.   Next: {piece}")

# %% [markdown]
# ### Exercise 9: how probable each option is
#
# Fill in three blanks (`...`):
#
# 1. `masks`: a text with one mask token for each piece of the option, with spaces between them. Take this tokenizer's own, `tokenizer.mask_token`: not every model writes it `[MASK]`;
# 2. `probability`: what it was so far, times the probability of this piece at this place;
# 3. `token_ids[0, place]`: what the model should see there from now on.
#
# The values of the dict are plain numbers (`.item()`), not rounded, and not divided by their sum. Written for you: the options and their pieces, the places of the masks, and
# `in_eval_mode`, which switches dropout off and puts the model back afterwards.
#
# <details><summary>Hint 1</summary>
#
# `tokenizer.mask_token` is the text that this tokenizer reads as one hidden piece. An option of three pieces needs it three times, with spaces between. How do you repeat the entry of a list in Python, and how do you join a list into one text?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Softmax turns the logits (vocab,) into a probability for each piece of the vocabulary; `piece` is a place in that list. Probabilities of one thing *and then* another are multiplied. And before you ask for the next piece, the model has to see this one: it goes into `token_ids`, where the mask was.
#
# </details>


# %% tags=["exercise"]
# Exercise 9: how probable each option is
def option_probabilities(text: str, model: Any, tokenizer: Any) -> dict[str, float]:
    """From each option of a text such as "The doctor picked up his/her bag." to P(option | the rest).

    An option of several pieces is scored whole: each piece given the rest and the pieces before it, multiplied.
    """
    template, options = parse_options(text)  # "The doctor picked up ___ bag.", ["his", "her"]
    probabilities = {}
    with in_eval_mode(model), torch.no_grad():
        for option in options:
            pieces = pieces_of(option, tokenizer)  # ids, one for each piece
            masks = ...
            token_ids = tokenizer(template.replace(BLANK, masks), return_tensors="pt")["input_ids"]  # (1, t)
            token_ids = token_ids.to(model.device)
            places = (token_ids[0] == tokenizer.mask_token_id).nonzero().flatten()  # where the masks stand
            probability = 1.0
            for place, piece in zip(places, pieces, strict=True):
                logits = model(token_ids).logits[0, place]  # (vocab,)
                probability = ...
                token_ids[0, place] = ...
            probabilities[option] = probability
    return probabilities


# %% tags=["check"]
checks.option_probabilities(option_probabilities)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import option_probabilities

# %% [markdown]
# Here is your function at work: one sentence, eleven jobs.
#
# **Predict first:** sort these four from *she* to *he*: engineer, nurse, soldier, teacher. And is there a job here that will surprise you? Then run the cell.

# %% tags=["expected-output"]
jobs = [
    "nurse",
    "secretary",
    "teacher",
    "librarian",
    "singer",
    "doctor",
    "lawyer",
    "engineer",
    "mechanic",
    "soldier",
    "captain",
]
asked = [
    (job, option_menu.ask(f"The {job} said that she/he was tired.", option_probabilities, model, tokenizer))
    for job in jobs
]
option_menu.draw_ratios(asked, title="The same sentence, another job: another ratio")

# %% tags=["form"]
media.what_you_should_see("09_bias_in_language_models_1")

# %% [markdown]
# Nurse, teacher, engineer, soldier. (And the secretary? The stereotype says *she*, and this model says *he*. Perhaps it thinks of the Secretary of State: who turns up in presidents' speeches.)
#
# A bar that ends at `4×` says that one word is four times as likely as the other. The axis is logarithmic, so that “four times” is equally long in both directions; but each line is *double* the one before.
#
# There are two ways to put such a ratio into words and get it wrong. First, “0.25 times higher”: a ratio below 1 is *lower*. Say which word is likelier, and by how much:

# %%
for job, one in asked[:1] + asked[-2:]:
    print(f"{job:>8}: {compare(one.probabilities, 'she', 'he')}")

# %% [markdown]
# Second, rounding too early. Rare words have tiny probabilities, and a ratio of rounded numbers means nothing:

# %%
rare = option_probabilities("The children saw the tigers/lemurs at the zoo.", model, tokenizer)
print("rounded to two digits:", [round(probability, 2) for probability in rare.values()])
print(
    f"not rounded: {rare['tigers']:.1e} and {rare['lemurs']:.1e}; their ratio: {rare['tigers'] / rare['lemurs']:,.0f}"
)

# %% [markdown]
# Zero divided by zero? No. Take the ratio first, and round last.

# %% tags=["form"]
feedback_box("09, section 2")

# %% [markdown]
# ## 3. A menu of questions (10 minutes)
#
# Texts speak of many groups, not just of women and men. The menu below has others. In each sentence, the first option is the one that the stereotype expects. Before you look, **predict first**: which will be likelier?

# %%
question = option_menu.ask(option_menu.MENU["age"][0], option_probabilities, model, tokenizer)
option_menu.draw_options(question)

# %% [markdown]
# *old*, as the stereotype expects. Now choose a topic and a sentence, or write one of your own, with two or more options. Then change one of the other words and look again: does the model
# react to the group, or just to the phrase?

# %%
option_menu.option_menu_demo(option_probabilities, model, tokenizer)

# %% [markdown]
# Every bar here is P(changed word | rest): the rest of the sentence is given, and the model guesses who.
#
# **Think! 9.1.** What is wrong with this as a measure of bias? Try `The children saw the tigers/compsognathus.` What decides this ratio, whatever the sentence says? And
# what would be a fairer comparison?
#
# <details><summary>Hint</summary>
#
# How often does a text mention tigers at all? Now compare “Muslim” and “Christian”, or “he” and “she”, in an American newspaper: how much of a ratio comes from the sentence, and how much was there before
# it? You can ask the model about another sentence, in which the stereotype plays no part.
#
# </details>

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# A word that is rare everywhere is improbable in every sentence. That is no prejudice against the compsognathus. In the same way, these texts say “he” more often than
# “she”, and “Christian” more often than “Muslim”: a ratio for one sentence mixes *how often a word is used at all* with *what goes with what*.
#
# - *Compare two sentences, not two words.* For the nurse, *she* is 2.7 times as likely as *he*; for the captain, *he* is 9 times as likely as *she*. How often each word is used is the same in both. Divide one ratio by the other, and it drops out: a factor of 24, which comes from the job.
# - *Compare words that are about equally frequent, and have equally many pieces.* With more pieces, you multiply more numbers below 1.
# - *Turn the question round:* give the group, and ask for the rest of the sentence. That is section 4.
#
# And a word may be likely for good reasons: “The queen said that she/he was tired” is no bias.
#
# </details>

# %% tags=["form"]
feedback_box("09, section 3")

# %% [markdown]
# ## 4. The other way round (15 minutes)
#
# CrowS-Pairs (Nangia et al. 2020) turns the question round. Take two sentences that differ only in the group they name. One of them says more of a stereotype:

# %%
pairs = load_pairs(DATA)
pair = next(pair for pair in pairs if pair.category == "age")
print(f"more of the stereotype: {pair.more}")
print(f"less of it:             {pair.less}")

# %% [markdown]
# The group is now *given*, and the model is asked for what both sentences share: P(shared words | changed word). However rare the changed word is, it is never guessed, so its frequency
# does not count.
#
# A masked language model cannot give the probability of many words at once. So each shared word is masked in turn, all others stay, and the logarithms of the
# probabilities are added up:
#
# $$\text{score} = \sum_{i \,\in\, \text{shared}} \log P(w_i \mid \text{all other words})$$
#
# The closer the sum is to 0, the less the words surprise the model. **Predict first:** which sentence will it find likelier? Which word will make the largest difference?


# %%
def word_scores(sentence: str, other: str) -> tuple[list[str], torch.Tensor]:
    """The pieces that a sentence shares with the other, and log P of each (n,). One copy at a time, as in the paper."""
    ids, other_ids = (tokenizer(text)["input_ids"] for text in (sentence, other))
    places, _ = shared_places(ids, other_ids)
    scores = []
    for place in places:
        copy = torch.tensor([ids], device=model.device)  # (1, t)
        copy[0, place] = tokenizer.mask_token_id
        with torch.no_grad():
            logits = model(copy).logits[0, place]  # (vocab,)
        scores.append(logits.log_softmax(dim=-1)[ids[place]].item())
    return tokenizer.convert_ids_to_tokens([ids[place] for place in places]), torch.tensor(scores)


words, more = word_scores(pair.more, pair.less)
_, less = word_scores(pair.less, pair.more)
shared_words.draw_shared_words(words, more, less, pair)

# %% [markdown]
# Long bars are words that surprise the model. (The full stop surprises nobody: its bars are too short to see.) *man* makes the largest difference, and it speaks for the young man. But nearly all other words
# speak a little for the old one, and so does the sum. For one pair that may be chance. What happens over many?
#
# `crows_pairs_score` does the same for all pairs, in batches: copies of one length go through the model together. (With `DATA = "full"`, that means 1,508 pairs and some 42,000 masks.)

# %%
scores = crows_pairs_score(pairs, model, tokenizer, progress=True)  # (pairs, 2)

# %%
print("pairs and scores:", tuple(scores.shape))
print(f"this pair by hand:  {more.sum():.2f} and {less.sum():.2f}")
print("in the batches:    ", " and ".join(f"{score:.2f}" for score in scores[pairs.index(pair)]))

# %% [markdown]
# Each pair gives a difference: the score of the more stereotypical sentence, minus that of the other.
#
# **Predict first:** if the model did not lean either way, what would the picture of all these differences look like?

# %%
shared_words.draw_differences(scores)

# %% [markdown]
# It would be about as high on the left of 0 as on the right. It is not: most pairs lie on the right. But look how many lie close to 0, where a small change of wording could turn them round.

# %% tags=["form"]
feedback_box("09, section 4")

# %% [markdown]
# ## 5. What the number says, and what it does not (15 minutes)
#
# The number that CrowS-Pairs reports is a simple one: in what percentage of the pairs does the more stereotypical sentence have the higher score? A coin gets 50.
#
# **Predict first:** what will this small model get? And in which group of pairs will it lean the most?

# %%
shares = stereotype_shares(pairs, scores)
name = "this course's model" if MODEL is None else "BERT-base, measured here"
bias_by_category.draw_shares(shares, model=name, pairs="CrowS-Pairs" if len(pairs) == 1508 else "its own pairs")

# %%
print(bias_by_category.table_of_shares(shares))

# %% [markdown]
# Over all pairs, two in three; most for gender and looks, 80. Two warnings before you read anything into it.
#
# **Chance.** Other pairs of the same kind would have given another percentage. The lines, 95% intervals, say which true values go well with ours. With 15 pairs, a coin gets anything from 25 to 75. Only the lines
# of all pairs, gender and looks stay clear of 50.
#
# **Two kinds of pairs.** The dots of the published models come from CrowS-Pairs' 1,508 pairs; ours, with the sample, come from 90 pairs written for this course. These are different exams. The dots share
# a picture to show you *the scale*, not to rank the models. For a fair comparison, load the same pairs (`DATA = "full"`).
#
# **Predict first:** how many pairs would you need to tell 55 from 50?

# %%
counts = [15, 90, 400, 1508, 5000]
half_widths = [100 * 1.96 * (0.25 / n) ** 0.5 for n in counts]
plots.bars(
    [f"{n:,} pairs" for n in counts],
    half_widths,
    title="How far a coin strays from 50, either way",
    xlabel="percentage points (95%)",
    value_format=".1f",
)

# %% [markdown]
# About 400: then a coin strays by less than 5. CrowS-Pairs' 1,508 pairs still leave 2.5 either way.
#
# A score whose interval lies above 50 says: *on these sentences, this model leans towards what the stereotype expects.* It does not say
#
# - that a model near 50 is fair: it may lean both ways, or know too little English to lean at all;
# - that a product made with the model will do harm, or will not: that depends on what it is used for;
# - where the leaning comes from.
#
# The pairs themselves have their critics. Blodgett et al. (2021) went through CrowS-Pairs and found many pairs that state no clear stereotype, in which more than
# the group changes, or whose second group is no natural counterpart of the first. A number cannot be better than its pairs. One of these things we can check:

# %%
changed = [sum(one != other for one, other in zip(p.more.split(), p.less.split(), strict=False)) for p in pairs]
print(f"{changed.count(1)} of {len(pairs)} pairs differ in exactly one word")

# %% [markdown]
# The rest takes people. Does the first sentence state a stereotype that somebody holds? Would anybody say the second one? Read ten of our pairs, and be strict:

# %%
for pair in pairs[:: len(pairs) // 10][:10]:
    print(f"{pair.category:>19}: {pair.more}  |  {pair.less}")

# %% [markdown]
# And the model? It is small, and was trained further on less than ten million words, most of them American, many of them from 1961. Its score tells you at least as much about those texts as about masked language models. It also knows little: where a large
# model has an opinion, this one may just have noise, and noise is 50. **A low score does not make a weak model a fair one.**
#
# **Think! 9.2.** [ProtBERT](https://huggingface.co/Rostlab/prot_bert) is a BERT that reads proteins: amino acids are its words, and it was trained on 217 million chains from databases. Nobody stereotypes a protein. What
# biases could it have all the same, whom could they harm, and how would you look for them?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# Bias need not be prejudice: it is any systematic difference between what was collected and what the model will be used on.
#
# - *Which proteins are in the databases?* Those of humans, mice and yeast, of bacteria that grow in a laboratory, and of germs that make people ill in countries with laboratories. Of most living things we know few or none. The model will
#   guess worse there: for neglected diseases, say.
# - *Near copies.* Families that were sequenced thousands of times count thousands of times.
# - *What is easy to measure* is in the data: proteins that dissolve and crystallise rather than those in membranes.
# - *Whose genomes?* Human variants in databases come mostly from people of European ancestry; a variant that is common elsewhere may look “improbable”, and improbable may be read as “harmful”.
#
# To look for it, do as in this lesson: choose groups (kinds of organisms, families, populations), hide amino acids, compare the probabilities, keep an eye on the number of examples, and have somebody who knows proteins read the pairs.
#
# </details>

# %% tags=["form"]
feedback_box("09, section 5")

# %% [markdown]
# ## Summary
#
# - A masked language model gives P(word | rest). You wrote `option_probabilities`, which scores options of several pieces whole, by the chain rule.
# - Take a ratio before you round, and say which word is likelier.
# - P(changed word | rest) mixes bias with how rare the word is. CrowS-Pairs asks for P(shared words | changed word) instead.
# - A percentage needs its interval, its pairs need readers, and a score of 50 does not prove a model fair.
#
# Next: [lesson 10](10_beyond_language.ipynb) uses the same blocks on pictures.
#
# ## Where to read more
#
# - Nangia et al. (2020), [CrowS-Pairs](https://arxiv.org/abs/2010.00133): the pairs, the measure, and the published numbers of this lesson.
# - Blodgett et al. (2021), [Stereotyping Norwegian salmon](https://aclanthology.org/2021.acl-long.81/): what is wrong with such pairs, and how to do better.
# - The cards of the model and of the pairs, `helpers/assets/masked_words.md` and `helpers/assets/bias_pairs.md` in the course's repository: what they were made from, and what they do badly.
#
# CrowS-Pairs is by Nangia, Vania, Bhalerao and Bowman (CC BY-SA 4.0). The video and the order of ideas in sections 2 and 3 come from Neuromatch Academy's
# [W2D5 tutorial](https://deeplearning.neuromatch.io/tutorials/W2D5_AttentionAndTransformers/student/W2D5_Tutorial1.html) (CC BY 4.0). The pairs, the words and the code are ours.

# %%
media.slides()
