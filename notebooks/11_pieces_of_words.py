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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/11_pieces_of_words.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/11_pieces_of_words.ipynb)
#
# # 11. Pieces of words
#
# **After this lesson you can**
# - say why today's models read pieces of words, rather than words or characters;
# - learn a vocabulary of pieces by byte-pair encoding, fast enough for real text, and the same one as a well-known library learns;
# - cut any text into pieces and put it together again without losing a byte;
# - say what pieces make hard for a model, and for whom a vocabulary makes text expensive.
#
# **Time:** 90 minutes; all of them on the core path.
# **Before:** [lesson 2](02_queries_keys_values.ipynb) met an unknown word, and [lesson 6](06_decoding_and_generation.ipynb) wrote one character at a time.

# %% tags=["form"]
# @title Set-up: run this cell first
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("helpers") is None:  # on Colab: fetch the course's helpers
    source = os.environ.get("COURSE_SOURCE", "git+https://github.com/your_account/attention-course")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from tqdm.auto import tqdm

from helpers import checks, media, plots
from helpers.data import load_sentences
from helpers.demos import piece_costs, text_pieces
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.pretrained import load_storyteller
from helpers.seeding import set_seed
from helpers.texts.byte_words import ALPHABET, count_words, join_pieces, split_words
from helpers.texts.six_languages import SENTENCE, TEXTS

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # this lesson's sentences are the same with both settings
MERGES = 2000  # how many pieces are learned, on top of the 256 bytes

# %% [markdown]
# ## 1. Between characters and words (8 minutes)
#
# Every model of this course reads numbers. Somebody had to decide what gets a number: each word, or each character? You have met the price of both.
#
# Lesson 2 gave a vector to each word. A word that was not in the vocabulary had none. Lesson 6 read characters: none is unknown, but a sentence becomes
# long, and attention pays for every pair of places.
#
# **Predict first:** take all words of the course's training sentences as a vocabulary, more than thirty thousand. Of the words in new sentences, how many are still unknown: one in a
# thousand, or one in twenty?

# %%
train_sentences = load_sentences()
test_sentences = load_sentences(part="test")[::8]
words = count_words(train_sentences)  # each different word, and how often it comes
new_words = [word for sentence in test_sentences for word in split_words(sentence)]
unknown = [word for word in new_words if word not in words]

print(f"{len(words):,} different words in {len(train_sentences):,} sentences")
print(
    f"of {len(new_words):,} words in new sentences, {len(unknown):,} are unknown: {len(unknown) / len(new_words):.1%}"
)
print("such as:", ", ".join(join_pieces(word).strip() for word in unknown[3:60:7]))

# %% [markdown]
# Names, rare words, rare forms. Thirty thousand words are not enough, and no list ever will be. Yet `unfilmable` is no riddle to you: you know `un`, `film` and `able`.
#
# A vocabulary of **pieces** does the same. Frequent words are one piece, rare words are made of several, and single characters are left for the rest. They might be these:

# %%
text = "an unfilmable story"
text_pieces.draw_pieces(
    {
        "words": ["an", "?", "story"],
        "pieces": ["an", " un", "film", "able", " story"],
        "characters": list(text),
    },
    title="Pieces: nothing is unknown, and few are needed",
    plain=True,
)

# %% [markdown]
# Which pieces? We could ask a linguist. Instead, we count.

# %% tags=["form"]
feedback_box("11, section 1")

# %% [markdown]
# ## 2. Start from bytes (7 minutes)
#
# The smallest pieces must be able to spell anything. Unicode has more than 150,000 characters, too many to give each a vector. But every text in a computer is
# stored as **bytes**, and there are only 256 of them.
#
# **Predict first:** how many bytes does each of these characters take?

# %%
for character in ["f", "é", "東", "🙂"]:
    print(character, list(character.encode("utf-8")))

# %% [markdown]
# One to four. So we start from 256 pieces, one for each byte, and no text will ever be unknown. GPT-2 did it this way (Radford et al. 2019), and many models since.
#
# Raw bytes are hard to read, so each byte is written as a character that you can see. `f` stays `f`. A space becomes `Ġ`, and `é`, two bytes, becomes `Ã©`. They are only names.
#
# Then the text is cut into words, each with the space *before* it. Pieces will be learned inside words, never across two.

# %%
for word in split_words("A café, films of 1997!"):
    print(word)

cut = split_words("A café, films of 1997!")
text_pieces.draw_pieces(
    {"words": ["".join(word) for word in cut], "bytes": [byte for word in cut for byte in word]},
    title="Each word keeps the space before it, so no space is lost",
)

# %% [markdown]
# (In pictures, ␣ is a space, and a byte that is no whole character is written as a number in hex: `C3 A9` is `é`.)
#
# A common mistake is to split at spaces and throw them away. Then nobody can tell `film!` from `film !`, and what you decode is not what you encoded.

# %%
for original in ("film!", "film !", "two  spaces", "a space at the end "):
    back = join_pieces(piece for word in split_words(original) for piece in word)
    print(f"{original!r:>22}   split at spaces: {' '.join(original.split())!r:<20} our words: {back!r}")

# %% tags=["form"]
feedback_box("11, section 2")

# %% [markdown]
# ## 3. Count, merge, repeat (22 minutes)
#
# Here are ten words, and how often each occurs. **Byte-pair encoding** (Sennrich et al. 2016) has one rule: find the two neighbours that stand together most often, and make them one piece. Then do it again.
#
# **Predict first:** take paper. Which neighbouring letters occur together most often? Is there one winner? Each word counts as often as it occurs: `film` five times.

# %%
ten_words = {
    tuple(word): count
    for word, count in {
        "film": 5, "films": 3, "filming": 2, "slow": 4, "slower": 2,
        "slowest": 1, "low": 2, "lower": 1, "new": 3, "newer": 2,
    }.items()
}  # fmt: skip
for word, count in ten_words.items():
    print(count, word)

# %% [markdown]
# ### Exercise 11a: count the pairs
#
# `count_pairs(words)` takes a dict from a word's pieces, a tuple of str, to how often the word occurs. It returns a `Counter`: for each pair of neighbouring pieces, how often it occurs.
#
# - A pair is a tuple of two pieces, in their order.
# - A word that occurs five times counts five times.
# - If a pair stands in a word more than once, each time counts. `a a a` holds the pair `a a` twice.
#
# <details><summary>Hint 1</summary>
#
# `pairwise(pieces)` walks through a word's neighbours: the first piece with the second, the second with the third, and so on. `zip(pieces, pieces[1:])` does the same.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A `Counter` begins at 0 for everything, so `pairs[pair] += ...` works from the start. What must be added: 1, or how often the word occurs?
#
# </details>


# %% tags=["exercise"]
# Exercise 11a: count the pairs
def count_pairs(words: Mapping[tuple[str, ...], int]) -> Counter[tuple[str, str]]:
    """How often each pair of neighbouring pieces comes, in words that come so often."""
    pairs: Counter[tuple[str, str]] = Counter()
    for pieces, count in words.items():
        for pair in ...:
            pairs[pair] += ...
    return pairs


# %% tags=["check"]
checks.count_pairs(count_pairs)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import count_pairs

# %% [markdown]
# Your counts for the ten words:

# %% tags=["expected-output"]
pairs = Counter(count_pairs(ten_words)).most_common(10)
plots.bars(
    [f"{left} {right}" for (left, right), _ in pairs],
    [count for _, count in pairs],
    title="Five pairs share the first place",
    xlabel="how often the pair occurs",
    value_format=".0f",
)

# %% tags=["form"]
media.what_you_should_see("11_pieces_of_words_1")

# %% [markdown]
# A tie, five times ten. Ties are common, and a rule must break them: otherwise two people learn two vocabularies from one text.
#
# Our rule is that of Hugging Face `tokenizers`: each piece has a number, and among equals **the pair whose left piece has the lowest number wins; if the left pieces are
# equal, the lowest right piece**. Bytes are numbered first (in the order of `ALPHABET`, not by their value: `f` is byte 102 and piece 69), then each new piece in turn. So `f i` comes first here.
#
# ### Exercise 11b: merge a pair
#
# `merge_pair(pieces, pair)` takes a word's pieces and a pair, and returns the pieces as a tuple with every occurrence of the pair joined. It goes from the left, and no piece is
# used twice: `a a a` with the pair `a a` is `aa a`.
#
# <details><summary>Hint 1</summary>
#
# Walk with a place, in a `while` loop. If the pair begins at the place, append the joined piece: how far do you go on then? If not, append the piece alone, and go on by one.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `pieces[place : place + 2] == pair` compares two pieces with two pieces. At the end of the word the slice is shorter, so it is never equal, and nothing breaks.
#
# </details>


# %% tags=["exercise"]
# Exercise 11b: merge a pair
def merge_pair(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """The pieces with each occurrence of the pair made one piece, from the left, without overlap."""
    merged: list[str] = []
    place = 0
    while place < len(pieces):
        if ...:  # does the pair begin here?
            merged.append(...)
            place += ...
        else:
            merged.append(...)
            place += ...
    return tuple(merged)


# %% tags=["check"]
checks.merge_pair(merge_pair)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import merge_pair

# %% [markdown]
# Count, merge, repeat. **Predict first:** after six rounds, which of the ten words is a single piece?

# %% tags=["expected-output"]
numbers = {piece: number for number, piece in enumerate(ALPHABET)}
rounds = [ten_words]
for step in range(6):
    pairs = count_pairs(rounds[-1])
    most = max(pairs.values())
    ties = [pair for pair, count in pairs.items() if count == most]
    best = min(ties, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
    numbers[best[0] + best[1]] = len(numbers)
    rounds.append({merge_pair(word, best): count for word, count in rounds[-1].items()})
    print(
        f"round {step + 1}: {best[0]:>4} + {best[1]:<3} comes {most} times{', as others do' if len(ties) > 1 else ''}"
    )

text_pieces.draw_pieces(
    {
        f"after {done}": [piece for word in rounds[done] for piece in (*word, " ")][:-1]
        for done in (0, 3, 6)
    },
    title="Six merges, and frequent words are whole",
    plain=True,
)  # fmt: skip

# %% tags=["form"]
media.what_you_should_see("11_pieces_of_words_2")

# %% [markdown]
# `film`, `low` and `slow`. (`low` alone occurs only twice, but it also stands in `slow`, `slower`, … And ␣ only keeps the words apart in the picture.) No one told the rule what a stem is. It found `film` because `film` is frequent. What it finds need not be what
# a linguist would find: it counts, and nothing else.
#
# **Think! 11.1** Could the rule go on for ever?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# No. Each merge makes the words shorter, and it never goes across two words. When every word is a single piece, no pair is left. In practice one stops long
# before, at the size of vocabulary that one wants: each piece needs a row in the embedding, and a piece that hardly ever comes hardly ever learns.
#
# </details>

# %% tags=["form"]
feedback_box("11, section 3")

# %% [markdown]
# ## 4. Twenty thousand sentences, in seconds (12 minutes)
#
# Now the course's sentences, and two thousand merges. Written as above, each round counts all words from scratch. For a real vocabulary that takes minutes instead of seconds, and
# almost all of it is wasted: most words do not hold the pair.
#
# So keep the counts, keep an index from each pair to the words that hold it, and touch only these.
#
# **Look closely:** which line makes sure that only these words are touched? And which two loops keep the counts right?


# %%
def learn_merges(words: Mapping[tuple[str, ...], int], count: int) -> tuple[list[tuple[str, str]], list[int]]:
    """Byte-pair encoding: up to `count` merges in order, and how many words each of them touched."""
    spelled, often = list(words), list(words.values())
    pairs = Counter(count_pairs(words))
    holders: defaultdict[tuple[str, str], set[int]] = defaultdict(set)  # pair -> the words that hold it
    for word, pieces in enumerate(spelled):
        for pair in pairwise(pieces):
            holders[pair].add(word)
    numbers = {piece: number for number, piece in enumerate(ALPHABET)}
    merges: list[tuple[str, str]] = []
    touched: list[int] = []
    for _ in tqdm(range(count), unit="merge", leave=False):
        if not pairs:
            break
        most = max(pairs.values())
        ties = [pair for pair, number in pairs.items() if number == most]
        best = min(ties, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
        merges.append(best)
        numbers.setdefault(best[0] + best[1], len(numbers))
        touched.append(len(holders[best]))
        for word in list(holders[best]):
            before, spelled[word] = spelled[word], merge_pair(spelled[word], best)
            for pair, number in count_pairs({before: often[word]}).items():  # what the word held
                pairs[pair] -= number
                holders[pair].discard(word)
                if not pairs[pair]:
                    del pairs[pair], holders[pair]
            for pair, number in count_pairs({spelled[word]: often[word]}).items():  # what it holds now
                pairs[pair] += number
                holders[pair].add(word)
    return merges, touched


# %% [markdown]
# `for word in list(holders[best])` touches only these. The first inner loop takes the word's old pairs out of the counts, the second puts its new ones in.

# %%
merges, touched = learn_merges(words, MERGES)

# %%
print("the first: ", [left + right for left, right in merges[:12]])
print("the last:  ", [left + right for left, right in merges[-6:]])
print(f"words touched: {sum(touched):,}; counted from scratch each time: {len(words) * MERGES:,}")

# %%
merge_numbers = range(1, MERGES + 1)
plots.curves(
    merge_numbers,
    {"touched": list(accumulate(touched)), "from scratch": [len(words) * number for number in merge_numbers]},
    title="Few words hold the pair",
    xlabel="merges so far",
    ylabel="words looked at so far",
    log_y=True,
)

# %% [markdown]
# The first pieces are a space with a letter, and endings. The last are longer: stems and words.
#
# Is it the real thing? `tokenizers` is written in Rust, and trains the vocabularies of many models that you know. Give it the same sentences, and ask for as many pieces.
#
# **Predict first:** of two thousand merges, how many will be the same, in the same order?

# %%
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

library = Tokenizer(models.BPE())
library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
library.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=256 + MERGES, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
)
library.train_from_iterator(train_sentences, trainer)
theirs = [tuple(pair) for pair in json.loads(library.to_str())["model"]["merges"]]
print(f"{sum(a == b for a, b in zip(merges, theirs, strict=True)):,} of {len(theirs):,} merges are the same")

# %% [markdown]
# All of them. That is what a rule for ties is good for.

# %% tags=["form"]
feedback_box("11, section 4")

# %% [markdown]
# ## 5. Encode, and back (10 minutes)
#
# The merges *are* the vocabulary. To encode a new word, do what was done when learning: begin with its bytes, and apply the merges **in the order in which they were learned**. Of the pairs that the
# word holds, the one that was learned first is joined, and so on, until none of its pairs was ever learned.
#
# Why not take the longest piece that fits, from the left? That can give other pieces than the model saw in training.


# %%
def encode(text: str, merges: Sequence[tuple[str, str]]) -> list[str]:
    """A text's pieces, by merges in the order in which they were learned."""
    learned = {pair: place for place, pair in enumerate(merges)}
    known: dict[tuple[str, ...], tuple[str, ...]] = {}  # a word that comes again is not cut again
    encoded: list[str] = []
    for word in split_words(text):
        pieces = known.get(word, word)
        while word not in known:
            pair = min(pairwise(pieces), key=lambda pair: learned.get(pair, math.inf), default=None)
            if pair not in learned:
                known[word] = pieces
            else:
                pieces = merge_pair(pieces, pair)
        encoded.extend(pieces)
    return encoded


# %%
vocabulary = text_pieces.number_pieces(merges)
examples = ["The film is unfilmable.", "東京 🙂 é", "for i in range(10):\n    print(i)  "]
for example in examples:
    cut = encode(example, merges)
    print(f"{example!r}: {len(cut)} pieces; back: {join_pieces(cut) == example}; ", end="")
    print("as the library does:", [vocabulary[piece] for piece in cut] == library.encode(example).ids)

text_pieces.draw_pieces(
    {f"text {place}": encode(example, merges) for place, example in enumerate(examples, 1)},
    vocabulary,
    title="Each piece and its number",
)

# %% [markdown]
# The numbers below the boxes are what a model reads. To decode, look the pieces up, put their bytes together, and read them as text. Nothing is lost: Japanese, emoji, four
# spaces before `print`, two at the end. But look at ` unfilmable`: it is not cut into `un`, `film` and `able`, as we drew it at first. ` film` is a piece only with its space. Pieces follow counts, not meaning.
#
# Try it. Type anything, and move the slider. **Predict first:** with 0 merges, how many pieces does `café` have?

# %%
figure, words_for_it = text_pieces.pieces_of_text("café", [], encode)
print(words_for_it)
figure

# %%
text_pieces.pieces_demo(encode, merges)

# %% [markdown]
# Five, one for each byte: `é` has two.

# %% tags=["form"]
feedback_box("11, section 5")

# %% [markdown]
# ## 6. How large a vocabulary? (8 minutes)
#
# Each merge makes texts shorter and the vocabulary larger. Measure both on sentences that were not used for learning.
#
# **Predict first:** what saves more tokens, the first hundred merges or the last thousand?

# %%
counts = [0, 10, 30, 100, 300, 1000, MERGES]
costs = [
    len(encode(" ".join(test_sentences[:400]), merges[:count])) / len(test_sentences[:400]) for count in counts
]  # fmt: skip
for count, cost in zip(counts, costs, strict=True):
    print(f"{count:>5} merges: {cost:5.1f} tokens a sentence")
per_sentence = sum(len(split_words(sentence)) for sentence in test_sentences[:400]) / len(test_sentences[:400])

piece_costs.draw_costs([256 + count for count in counts], costs, (len(words), per_sentence))

# %% [markdown]
# The first hundred. Frequent pairs come first, so every further merge saves less. Words (the diamond) are the other end: shortest, but with a vocabulary of tens of thousands, and
# still not every word in it.
#
# **Think! 11.2** Lesson 6 counted what a block costs: $8 n k^2 + 2 n^2 k$ for $n$ tokens. What becomes cheaper with a larger vocabulary, and what more expensive?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# With half as many tokens, the first term halves, and the second falls to a quarter; the same window holds twice the text. But the embedding, and the layer that gives a logit to each piece,
# have a row for each piece: a vocabulary of $v$ costs $v k$ weights, and $n v k$ multiplications for the logits. And the rarer a piece, the less often its vector is trained. Small models want small
# vocabularies; large models have taken 100,000 and more.
#
# </details>

# %% tags=["form"]
feedback_box("11, section 6")

# %% [markdown]
# ## 7. For whom is it cheap? (10 minutes)
#
# Our pieces were learned from English. They can spell every language, but at what price? Here is one sentence in six languages.

# %%
for language, sentence in SENTENCE.items():
    print(f"{language:>8}: {sentence}")

# %% [markdown]
# **Predict first:** with the pieces learned from English, how many times as many tokens as English does the most expensive of the six need: twice, or six times?
#
# We compare plain bytes and two vocabularies of the same size, 600 merges each: one from the course's English sentences, and one from a **mixture**, sixteen everyday sentences in each of the six languages, written for this course. That is
# a tiny text; a real vocabulary is learned from gigabytes.

# %%
mixture = count_words(sentence for texts in TEXTS.values() for sentence in texts)
vocabularies = {
    "bytes": [],
    "600 merges, English": merges[:600],
    "600 merges, mixture": learn_merges(mixture, 600)[0],
}
costs = {
    name: {language: len(encode(sentence, learned)) for language, sentence in SENTENCE.items()}
    for name, learned in vocabularies.items()
}
piece_costs.draw_languages(costs)

# %%
english = costs["600 merges, English"]
mixed = costs["600 merges, mixture"]
dearest = max(english, key=english.get)
print(f"English pieces: {dearest} needs {english[dearest] / english['English']:.1f} times the tokens of English")
print(f"the mixture:    {dearest} needs {mixed[dearest] / mixed['English']:.1f} times")

# %% [markdown]
# Two things come together. A script may need more bytes for each character: two in Cyrillic, three in Devanagari and Japanese. And English merges do not fit: none of them is used in the other three scripts here. Japanese needs few characters, so in bytes it costs no more than English; only the merges make the difference.
#
# A mixture helps, though it does not make all equal. Real vocabularies have the same trouble: Petrov et al. (2023) found languages that need up to 15 times as many tokens for the same text. Whoever pays by the token pays more, waits
# longer, and fits less into the window.
#
# **Think! 11.3** Be careful with the two coloured bars. What makes the mixture look better than it would in real life?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# Its sixteen sentences are of the same simple kind as the sentence that we measure, written by the same hand, and they share words with it (window, birds, morning); the English pieces come from film reviews, tweets and
# newspapers. The measured sentence itself is in neither text, but it is *close* to one of them. One sentence is also very little: another would give other bars. What stays is the direction, and the bytes that a script needs.
#
# </details>

# %% tags=["form"]
feedback_box("11, section 7")

# %% [markdown]
# ## 8. What pieces make hard (8 minutes)
#
# A model never sees letters: it sees the numbers of pieces. Much that seems silly in large models begins here.
#
# **Predict first:** how many different first pieces do you expect for the six spellings of `film` below?

# %%
spellings = ["film", " film", "Film", " Film", "FILM", "films"]
text_pieces.draw_pieces(
    {repr(spelling): encode(spelling, merges) for spelling in spellings},
    vocabulary,
    title="One word to you, other numbers to a model",
)

# %%
firsts = {encode(spelling, merges)[0] for spelling in spellings}
print(f"{len(firsts)} different first pieces:", ", ".join(sorted(text_pieces.name_piece(piece) for piece in firsts)))

# %% [markdown]
# Four for six spellings, and only ` film` is whole. With and without a space, with and without a capital, the pieces are others, with vectors that have to learn separately that they mean the same. So a space at the end of what you ask a model can change its answer: the next piece
# would have brought its own.
#
# Now letters and numbers. **Predict first:** is a year one piece?

# %%
text_pieces.draw_pieces(
    {
        "letters": encode(" everywhere", merges),
        "numbers": encode(" 1997 2007 10000 1000 123456", merges),
        "sums": encode("1997+20=2017", merges),
    },
    vocabulary,
    title="Letters are hidden inside pieces; numbers are cut by accident",
)

# %% [markdown]
# Not here: these sentences hold few years. Compare ` 1997` with ` 2007`, and both with the sum: the cuts fall in different places, so digits do not line up as they do on paper. Some models therefore cut all numbers into single digits.
#
# And how many `e` are in ` everywhere`? You count four by looking. A model must have learned by heart what each of its pieces spells.
#
# **Think! 11.4** Why is it hard for such a model to spell a word backwards?

# %% [markdown] tags=["answer"]
# <details><summary>One answer</summary>
#
# To it, the word is a few numbers. Nothing in these numbers says which letters are inside; it can only be learned from texts that spell words out, and those are rare. Then the answer must be written in
# pieces that hardly ever follow each other. It is easier with spaces or dashes between the letters: `f-i-l-m` is cut into letters.
#
# </details>

# %% tags=["form"]
feedback_box("11, section 8")

# %% [markdown]
# ## 9. Open a real vocabulary (5 minutes)
#
# In [lesson 12](12_a_modern_decoder.ipynb) you will meet a **storyteller**: a small language model that this course trained on old story books. Its vocabulary has 4,096 pieces, learned exactly like yours. Open it.

# %%
_, tokenizer = load_storyteller()
storyteller = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
their_merges = [tuple(pair) for pair in storyteller["merges"]]
longest = sorted(storyteller["vocab"], key=len)[-8:]
print(f"{len(storyteller['vocab']):,} pieces, {len(their_merges):,} merges")
print("longest:", ", ".join(join_pieces([piece]).strip() for piece in longest if piece.isalpha()))

line = "Once upon a time there was an unfilmable film."
print("your encode, its merges:", encode(line, their_merges) == tokenizer.tokenize(line))

# %% [markdown]
# **Predict first:** the line below is half fairy tale, half film review. Which half does the storyteller cut into fewer pieces than your vocabulary does?

# %%
halves = "Once upon a time the princess said:", " a predictable thriller, boring characters!"
line = "".join(halves)
for half in halves:
    yours, its = encode(half, merges), encode(half, their_merges)
    print(f"{half.strip()!r}: {len(yours)} pieces by yours, {len(its)} by the storyteller's")
text_pieces.draw_pieces(
    {"yours": encode(line, merges), "storyteller": encode(line, their_merges)},
    title="A vocabulary knows what it has read",
)

# %% [markdown]
# The fairy tale. A vocabulary is a summary of what it was learned from. (4,096 pieces are 256 bytes, 3,839 merges, and one mark that stands between stories.)
#
# This is why two models' losses for each token cannot be compared if their vocabularies differ. Lesson 12 counts bits for each byte instead.

# %% tags=["form"]
feedback_box("11, section 9")

# %% [markdown]
# ## Summary
#
# - With words, some stay unknown; characters make texts long. Pieces are between: frequent words are whole, rare words are made of parts.
# - Byte-pair encoding counts neighbours, joins the most frequent, and repeats. It starts from 256 bytes, so no text is unknown, and nothing is lost on the way back.
# - You wrote `count_pairs` and `merge_pair`. With kept counts and an index of pairs, thousands of merges take seconds, and with a rule for ties they are those of `tokenizers`.
# - To encode is to apply the merges in the order in which they were learned.
# - Pieces hide letters, cut numbers by chance, and tell ` film` from `film`. And a vocabulary makes the languages that it was learned from cheap.
#
# Next: in [lesson 12](12_a_modern_decoder.ipynb) you build what reads these numbers today.
#
# ## Where to read more
#
# - Sennrich, Haddow & Birch (2016), [Neural machine translation of rare words with subword units](https://arxiv.org/abs/1508.07909): where byte-pair encoding came to translation.
# - Radford et al. (2019), [Language models are unsupervised multitask learners](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf), section 2.2: on bytes.
# - Petrov, La Malfa, Torr & Bibi (2023), [Language model tokenizers introduce unfairness between languages](https://arxiv.org/abs/2305.15425).
# - Hugging Face, [tokenizers](https://huggingface.co/docs/tokenizers/index): the library that this lesson agrees with.
