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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/10_beyond_language.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/10_beyond_language.ipynb)
#
# # 10. Beyond language
#
# **After this lesson you can**
# - turn a picture into a sequence of tokens, and say why a token is a patch and not a pixel;
# - build a vision Transformer from the blocks of lesson 4, and train it in seconds;
# - draw what it attends to over a digit, and compare this with what it cannot do without;
# - say what a Transformer does *not* know about pictures, and where else Transformers went.
#
# **Time:** 60 minutes; the core path (sections 1 to 4, and 6) takes 50.
# **Before:** [lesson 4](04_transformer_block.ipynb) and [lesson 5](05_positional_encoding.ipynb), whose ideas are used here.

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
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm.auto import tqdm

from helpers import checks, media, plots
from helpers.demos import digit_attention, patches
from helpers.device import set_device
from helpers.feedback import feedback_box
from helpers.layers import TransformerBlock
from helpers.seeding import set_seed
from helpers.training import evaluate

plots.use_course_style()
set_seed(2021)
DEVICE = set_device()

# %% tags=["parameters"]
DATA = os.environ.get("COURSE_DATA", "sample")  # the digits come with scikit-learn: both settings do the same

# %% [markdown]
# ## 1. A picture as a text (8 minutes)
#
# Nothing in a Transformer block says *word*. It takes a sequence of vectors and gives back a sequence of vectors. So if you can write
# something as a sequence of vectors, a Transformer can read it.
#
# Let's try handwritten digits. scikit-learn comes with 1,797 of them, each 8 by 8 pixels. We keep a quarter for testing.

# %%
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32) / 16  # ink, from 0 to 1: (1797, 8, 8)
labels = torch.tensor(digits.target)
train_images, test_images, train_labels, test_labels = train_test_split(
    images, labels, test_size=0.25, stratify=labels, random_state=2021
)
train_images.shape, test_images.shape

# %%
patches.draw_digits(train_images[:20], train_labels[:20].tolist(), title="Twenty of the 1,347 training pictures")

# %% [markdown]
# What should be a token? The obvious answer is a pixel.
#
# **Predict first:** photos are often scaled to 224 by 224 pixels. Attention compares every token with every other. If each pixel is a token, how many weights
# does one head compute?

# %%
for name, side, patch in (
    ("digit, by pixels", 8, 1),
    ("digit, by 2 x 2 patches", 8, 2),
    ("photo, by pixels", 224, 1),
    ("photo, by 16 x 16 patches", 224, 16),
):
    tokens = (side // patch) ** 2
    print(f"{name:>25}: {tokens:>6,} tokens, {tokens**2:>13,} weights for each head")

# %% [markdown]
# Two and a half billion, for one head of one layer. And a single pixel tells you as little as a single letter.
#
# So we cut the picture into small squares, **patches**, and make each patch a token. A photo becomes a text of 196 words. This is the idea
# of the **vision Transformer**, ViT for short (Dosovitskiy et al. 2021). Our digits become texts of 16 words.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("10, section 1")

# %% [markdown]
# ## 2. Cut it into patches (12 minutes)
#
# Here is a tiny picture, 4 by 4, its pixels numbered in the order in which they lie in memory. Say you want patches of 2 by 2.
# The first patch is then 0, 1, 4, 5.

# %%
tiny = torch.arange(16).reshape(1, 4, 4)  # (b, height, width)
tiny[0]

# %% [markdown]
# **Predict first:** you want four patches of four numbers, (1, 4, 4). Will `reshape` do?

# %%
tiny.reshape(1, 4, 2 * 2)[0]  # (patches, patch * patch)?

# %% [markdown]
# No: the first line is 0, 1, 2, 3, a piece of a row and not a square. `reshape` never moves a number, it only puts the brackets elsewhere. The
# pixels of a patch lie apart in memory, so something has to move. `permute` does that: it changes the order of the axes.

# %%
x = torch.zeros(2, 3, 5, 7)
x.permute(0, 2, 1, 3).shape  # the second and the third axis have changed places

# %% [markdown]
# ### Exercise 10: a picture as a row of patches
#
# The patches come row by row, as you read a page. Inside a patch, the pixels come row by row as well.
#
# Fill in three blanks (`...`):
#
# 1. `pieces`: both sides cut, with an axis for every count: five axes, no pixel moved;
# 2. `ordered`: the same five axes in another order, with a patch's own two axes last;
# 3. the return value: (b, patches, patch * patch).
#
# The patches keep the pictures' dtype and live on the same device. Written for you: a size that does not divide gives a clear error; if you write it yourself, the wording is up to you.
#
# <details><summary>Hint 1</summary>
#
# Cut each side in two: the height into (rows, patch), the width into (columns, patch). With `reshape` that makes five axes:
# (b, rows, patch, columns, patch). No pixel moves yet.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A patch's own two axes must stand side by side before they can be joined: `permute` swaps the third and the fourth of the five. Then
# join two and two.
#
# </details>


# %% tags=["exercise", "export"]
# Exercise 10: a picture as a row of patches
def patchify(images: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut (b, height, width) into (b, patches, patch * patch), row by row (Dosovitskiy et al. 2021, section 3.1)."""
    b, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(
            f"A picture of {height} x {width} pixels cannot be cut into patches of {patch} x {patch}: "
            "both sides must divide by the patch."
        )
    rows, columns = height // patch, width // patch
    # BEGIN SOLUTION
    # STUB: pieces = ...  # five axes
    # STUB: ordered = ...  # five axes, the last two (patch, patch)
    # STUB: return ...
    pieces = images.reshape(b, rows, patch, columns, patch)
    ordered = pieces.permute(0, 1, 3, 2, 4)  # (b, rows, columns, patch, patch)
    return ordered.reshape(b, rows * columns, patch * patch)
    # END SOLUTION


# %% tags=["check"]
checks.patchify(patchify)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import patchify

# %% [markdown]
# Here is your function at work on a test picture, a 5. **Predict first:** patches are numbered from 0 to 15, row by row. Which will be almost white?

# %% tags=["expected-output"]
picture = test_images[3]
patches.draw_patches(picture, patchify(picture[None], 2)[0])

# %% [markdown]
# White, or nearly: 0, 3, 7, 8, 11, 12 and 15, all on the left and right edges. The bottom row is all that the Transformer gets. Try to read the digit from it: you need to know where each
# token stood.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("10, section 2")

# %% [markdown]
# ## 3. A vision Transformer (15 minutes)
#
# Four steps, and three of them you know:
#
# 1. **Embed.** A word had a row in a table. A patch is made of numbers already, so a linear layer turns its 4 numbers into 32.
# 2. **Add positions.** Here they are learned, one vector for each place, as in lesson 5.
# 3. **Blocks.** Lesson 4's, unchanged, with the norm first. Nothing has normed the last block's sum, so one more norm follows.
# 4. **Classify.** This is new. We put one more token in front, the **class token**. It belongs to no patch: it starts as the same learned
#    vector in every picture, and collects what it needs by attending to the patches. The classifier reads this token alone.


# %% tags=["export"]
class VisionTransformer(nn.Module):
    """Reads a square picture as a sequence of patches, and classifies it (Dosovitskiy et al. 2021)."""

    def __init__(
        self,
        image_size: int,
        patch: int,
        embed_dim: int,
        num_heads: int,
        depth: int,
        num_classes: int,
        with_positions: bool = True,
    ) -> None:
        super().__init__()
        self.patch = patch
        tokens = 1 + (image_size // patch) ** 2  # the class token, then the patches
        self.embedding = nn.Linear(patch * patch, embed_dim)
        self.class_token = nn.Parameter(torch.zeros(embed_dim))
        start = 0.5 * torch.randn(tokens, embed_dim) if with_positions else torch.zeros(tokens, embed_dim)
        self.positions = nn.Parameter(start, requires_grad=with_positions)
        self.blocks = nn.Sequential(*[TransformerBlock(embed_dim, num_heads, norm_first=True) for _ in range(depth)])
        self.norm = nn.LayerNorm(embed_dim)
        self.classifier = nn.Linear(embed_dim, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(b, image_size, image_size) gives logits (b, num_classes)."""
        x = self.embedding(patchify(images, self.patch))  # (b, patches, k)
        x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1)  # (b, 1 + patches, k)
        x = self.blocks(x + self.positions)  # (b, 1 + patches, k)
        return self.classifier(self.norm(x[:, 0]))  # the class token alone: (b, num_classes)


# %%
torch.manual_seed(2021)
model = VisionTransformer(image_size=8, patch=2, embed_dim=32, num_heads=4, depth=2, num_classes=10)
parameters = sum(parameter.numel() for parameter in model.parameters())
print(f"{tuple(model(train_images[:5]).shape)}: five pictures, ten logits each; {parameters:,} numbers to learn")

# %% [markdown]
# Training works as in lesson 7: batches, cross-entropy, and AdamW, the optimizer inside `train`. Twenty passes over the pictures with large steps, then ten with small
# ones, to settle.


# %%
def learn(model: nn.Module, train_images: torch.Tensor, test_images: torch.Tensor) -> list[float]:
    """Train the model, and return its accuracy on the test pictures after each pass."""
    batches = DataLoader(TensorDataset(train_images, train_labels), batch_size=64, shuffle=True)
    test_batches = DataLoader(TensorDataset(test_images, test_labels), batch_size=450)
    accuracies = []
    optimizer = torch.optim.AdamW(model.parameters())
    bar = tqdm([3e-3] * 20 + [5e-4] * 10, desc="passes")
    for learning_rate in bar:
        optimizer.param_groups[0]["lr"] = learning_rate
        model.train()
        for pictures, answers in batches:
            loss = F.cross_entropy(model(pictures.to(DEVICE)), answers.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        tested = evaluate(model, test_batches, DEVICE)
        accuracies.append(tested.accuracy)
        bar.set_postfix_str(f"test loss {tested.loss:.2f}")
    return accuracies


# %% [markdown]
# We also train a twin without positions. To the twin, a picture is a bag of patches.
#
# **Predict first:** out of ten digits, how many will each get right? Write both numbers down. (The cell takes about 20 seconds.)

# %% tags=["nbval-ignore-output"]
torch.manual_seed(2021)
model = VisionTransformer(8, 2, 32, 4, 2, 10).to(DEVICE)
with_positions = learn(model, train_images, test_images)

bag = VisionTransformer(8, 2, 32, 4, 2, 10, with_positions=False).to(DEVICE)
without_positions = learn(bag, train_images, test_images)

plots.curves(
    range(1, 31),
    {"with positions": with_positions, "without": without_positions},
    title="Order matters: a picture is no bag of patches",
    xlabel="pass over the training pictures",
    ylabel="accuracy on test pictures",
)

# %% tags=["nbval-ignore-output"]
print(f"with positions: {with_positions[-1]:.2f}; without: {without_positions[-1]:.2f}; a guess: 0.10")

# %% [markdown]
# Blocks that were made for words read digits, and nobody changed a line of them. The bag of patches does better than the 1 in 10 of a guess: some digits have more ink than others, and
# different kinds of corners. But for about three digits in ten, it would have to know where a patch stood.
#
# Is the Transformer's number impressive? Never trust a number that stands alone. The simplest model there is, **logistic regression**, takes the 64 pixels and one matrix: no attention, no layers.
#
# **Predict first:** how far behind will it be?

# %%
from sklearn.linear_model import LogisticRegression

baseline = LogisticRegression(max_iter=2000).fit(train_images.flatten(1), train_labels)
baseline_accuracy = baseline.score(test_images.flatten(1), test_labels)

plots.bars(
    ["vision Transformer", "logistic regression", "a bag of patches"],
    [with_positions[-1], baseline_accuracy, without_positions[-1]],
    title="One matrix does about as well",
    colour=[plots.BLUE, plots.SKY, plots.VERMILION],  # those of the curves above, for the same models
    xlabel="accuracy on 450 test pictures",
    xlim=(0, 1.15),
)

# %% tags=["nbval-ignore-output"]
behind = 450 * (with_positions[-1] - baseline_accuracy)
print(
    f"logistic regression: {baseline_accuracy:.3f}, the Transformer: {with_positions[-1]:.3f}; {behind:.0f} pictures of 450 apart"
)

# %% [markdown]
# About as good, with 650 numbers to learn instead of our 18,000. With 450 test pictures, chance alone moves
# an accuracy of 0.96 by about 0.01, which is four or five pictures.
#
# **Think! 10.1.** Was the Transformer a waste, then? On which pictures would you expect logistic regression to fail, and the Transformer not?

# %% [markdown] tags=["answer"]
# **One answer.** For *these* pictures, yes: they are tiny, centred and all of one size, so that each pixel nearly has a meaning of its own. “Ink here
# speaks for a 7” is all that a linear model can say, and here it is enough. An easy test cannot show what a strong model is good for.
#
# Move the digits about, or take photos: a cat may sit anywhere, so no pixel has a meaning of its own, and a linear model is lost. There, relations between
# parts count, and attention is about relations. What this section does show: the same blocks work on pictures, and they need to be told where each patch stands.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("10, section 3")

# %% [markdown]
# ## 4. What does it look at? (10 minutes)
#
# The class token collects the evidence. Its attention weights are one number for each patch, so they can be laid over the picture.
#
# **Predict first:** where on this digit will the attention go: to the ink, to the white, or to the places where this digit differs from others?

# %%
look = digit_attention.look_at(model, test_images[3])
digit_attention.draw_look(look, label=int(test_labels[3]))

# %% [markdown]
# The two pictures in the middle show attention in each layer: the stronger the colour, the more. The numbers need not add up to 100, because the class token also attends to itself.
#
# It is neither all the ink nor the white. In layer 1, each of the four heads gives nearly all its weight to one patch: hence four times about 25. In layer 2, about half goes to one patch, at the foot of the 5.

# %% tags=["nbval-ignore-output"]
print(digit_attention.describe_look(look, layer=2))

# %% [markdown]
# The last picture asks another question: what if this patch were white? This is **occlusion**, as in lesson 3. The stronger the blue, the more the
# prediction hangs on the patch. (The numbers are changes of the *log-odds*: at -2.3, the odds for this digit are a tenth of what they were.) Here the two disagree: most attention goes to
# the foot of the 5, but the prediction hangs on the corner at its top left.
#
# **Predict first:** in how many of ten test pictures is the patch with the most attention in the last layer also the one that the prediction hangs on most?

# %% tags=["nbval-ignore-output"]
looks = [digit_attention.look_at(model, image) for image in tqdm(test_images, desc="looking")]
same = sum(int(look.attention(layer=2).argmax() == look.lost.argmax()) for look in looks) / len(looks)
inked = (patchify(test_images, 2).mean(dim=2) > 0.1).sum(dim=1)  # (pictures,): how many patches have ink in them
print(f"the same patch: in {10 * same:.1f} of 10 pictures")
print(f"a guess among all 16 patches: {10 / 16:.1f} of 10; among those with ink: {10 * (1 / inked).mean():.1f} of 10")

# %% [markdown]
# No better than a guess among the patches with ink. Attention tells you where information is *fetched* from. It does not tell you what is made of it: values, MLPs and the classifier stand between a weight and the
# decision. Weights are a clue, not an explanation (lesson 3).
#
# Now look around: pick a digit, a picture of it, a layer and a head. Does a head of layer 1 always look at the same place? Does one of layer 2?

# %% tags=["nbval-ignore-output"]
digit_attention.attention_demo(model, test_images, test_labels)

# %% [markdown]
# A head of layer 1 looks at one place, or switches between a few, whatever the digit: the class token asks the same question in every picture, because it starts as the same vector. In layer 2 it has read
# something, and asks differently: there, each head changes its place from picture to picture.
#
# And where is it wrong? Here are all of its mistakes on the test pictures. Would you have known?

# %%
wrong = [place for place, look in enumerate(looks) if look.predicted != int(test_labels[place])]
patches.draw_digits(
    test_images[wrong],
    [f"{int(test_labels[place])}, not {looks[place].predicted}" for place in wrong],
    title="Every digit that it got wrong",
)

# %% [markdown]
# **Think! 10.2.** Some patches are white in almost every picture, such as those at the left edge. Can the class token have a reason to attend to them?

# %% [markdown] tags=["answer"]
# **One answer.** Yes, two. *White is evidence:* a patch that is white in a 7 and inked in a 9 tells them apart exactly by being white. (Our occlusion
# cannot see this: it paints white over white, so nothing changes.) And *a token's vector is no longer its patch:* after the first block each token has attended to the others, so the token of a white patch may carry something about the whole picture. Large vision
# Transformers do just that with patches of empty sky: they keep notes in them (Darcet et al. 2024, “Vision Transformers need registers”).
#
# This is one more reason not to read an attention map of a deep layer as “it looks at this spot”.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("10, section 4")

# %% [markdown]
# ## 5. Does it know that this is a picture? (10 minutes, optional)
#
# Take all 64 pixels and shuffle them, in the same way in every picture. Nothing is lost: whoever knows the order can undo it. You will find the result hard to read.

# %%
order = torch.randperm(64, generator=torch.Generator().manual_seed(2021))


def scramble(images: torch.Tensor) -> torch.Tensor:
    """The same shuffle of the pixels in each picture: (b, 8, 8)."""
    return images.flatten(1)[:, order].view(-1, 8, 8)


patches.draw_digits(scramble(train_images[:10]), train_labels[:10].tolist(), title="The same digits, scrambled")

# %% [markdown]
# **Predict first:** we train a new vision Transformer on scrambled pictures, and test it on scrambled pictures. How many out of ten will it get right?

# %% tags=["nbval-ignore-output"]
torch.manual_seed(2021)
scrambled_model = VisionTransformer(8, 2, 32, 4, 2, 10).to(DEVICE)
scrambled = learn(scrambled_model, scramble(train_images), scramble(test_images))

plots.curves(
    range(1, 31),
    {"as they are": with_positions, "no positions": without_positions, "scrambled": scrambled},
    title="Scrambled or not: the same to the model",
    xlabel="pass over the training pictures",
    ylabel="accuracy on test pictures",
)

# %%
print(
    f"scrambled pictures: at least {int(10 * scrambled[-1])} in 10 right; as they are: at least {int(10 * with_positions[-1])}"
)

# %% [markdown]
# It reads what you cannot, and learns it as fast. A vision Transformer does not know that neighbouring pixels belong together, that a picture has an up and a down, or that a
# cat moved to the left is still a cat. Whatever of this it needs, it must learn from data.
#
# A **convolutional network** has much of it built in: it looks at neighbouring pixels, in the same way everywhere. Dosovitskiy et al. measured what that is worth. Trained on 1.3 million
# pictures, their vision Transformers stayed a little behind convolutional networks of the same size; trained on 300 million, they were ahead. Knowledge that is built
# in helps where data is scarce.
#
# **Think! 10.3.** How could you give a vision Transformer more pictures, without taking a single new one?

# %% [markdown] tags=["answer"]
# **One answer.** Change those that you have, in ways that do not change what they show: shift them by a pixel, turn them a little, crop, change the brightness, hide a part. This is **data
# augmentation**, and with it vision Transformers can do without hundreds of millions of pictures (Touvron et al. 2021, DeiT). Mind what may be changed: a 6 turned upside down
# is a 9. Or learn without labels, as BERT does: hide patches, and predict them (He et al. 2022, masked autoencoders).

# %% tags=["form", "nbval-ignore-output"]
feedback_box("10, section 5")

# %% [markdown]
# ## 6. Where Transformers went (5 minutes)
#
# *What is a token?* Each line answers it in its own way.
#
# | field | model | what it reads or writes |
# |---|---|---|
# | images | [ViT](https://arxiv.org/abs/2010.11929) | patches, as here |
# | art | [DALL-E](https://arxiv.org/abs/2102.12092), [Parti](https://arxiv.org/abs/2206.10789) | words, then pieces of a picture, written like a sentence |
# | art | [DALL-E 2](https://arxiv.org/abs/2204.06125) | moved to **diffusion** (noise is cleaned up step by step), with Transformers in its parts |
# | vision and language | [Flamingo](https://arxiv.org/abs/2204.14198) | words, with cross-attention (lesson 6) to pictures and films |
# | 3D scenes | [NeRF](https://arxiv.org/abs/2003.08934) | an MLP, no Transformer; what followed uses them: [IBRNet](https://arxiv.org/abs/2102.13090) along a ray, [LRM](https://arxiv.org/abs/2311.04400) on patches |
# | speech | [wav2vec 2.0](https://arxiv.org/abs/2006.11477) | fiftieths of a second; some are masked, as in BERT |
# | generalist agents | [Gato](https://arxiv.org/abs/2205.06175) | words, patches, buttons and joint angles, in one sequence |

# %% [markdown]
# **Predict first:** how many tokens are ten seconds of speech, cut as in wav2vec 2.0? And ten seconds of film, with 24 pictures a second of 196 patches each?

# %%
lengths = {"a sentence": 20, "a photo": 196, "ten seconds of speech": 10 * 50, "ten seconds of film": 10 * 24 * 196}
plots.bars(
    list(lengths),
    list(lengths.values()),
    title="Next to a film, everything else is short",
    xlabel="tokens",
    value_format=",.0f",
)

# %% [markdown]
# 500 tokens of speech, and 47,040 of film: 94 times as many. And attention costs the square of that, 8,851 times as many weights (lesson 6). Much of the work in the table went into making the
# sequence shorter.
#
# **Think! 10.4.** Choose something that is not in the table: music, proteins, the weather, a game of chess. What would be a token? What would a position be? What would you mask or predict, so
# that the model learns without labels?

# %% [markdown] tags=["answer"]
# **Some answers.** Each of these has been tried:
#
# - *Proteins:* an amino acid is a token, its place in the chain the position; mask some and predict them, as BERT does (ProtBERT in lesson 9's last question).
# - *Music:* a note with its length, or a slice of sound; predict the next one.
# - *Weather:* a patch of the map, with its temperature, wind and pressure; the position lies on a sphere, and in time; predict the map six hours later.
# - *Chess:* a square, with the piece on it: 64 tokens and a position in two directions; predict the move, or who wins.
#
# In each case, the choice of token decides how long the sequence is, and what the model can see at all.

# %% tags=["form", "nbval-ignore-output"]
feedback_box("10, section 6")

# %% [markdown]
# ## Summary
#
# - A Transformer reads whatever can be written as a sequence of vectors. A picture becomes one by cutting it into patches.
# - You wrote `patchify`: cut both sides, reorder the axes, join. `reshape` alone moves nothing.
# - The blocks of lesson 4, learned positions and a class token make a vision Transformer. On small digits, one matrix does about as well: the task decides whether a strong model pays.
# - An attention map says where information is fetched, not why the model decides.
# - Nothing about pictures is built in, so much must be learned from data.
#
# This is the end of the course. You have built every part of a Transformer yourself, and you have seen it read, write, answer, fail, and look.
#
# ## Where to read more
#
# - Dosovitskiy et al. (2021), [An image is worth 16x16 words](https://arxiv.org/abs/2010.11929): the vision Transformer.
# - Touvron et al. (2021), [Training data-efficient image transformers](https://arxiv.org/abs/2012.12877): with fewer pictures.
# - He et al. (2022), [Masked autoencoders are scalable vision learners](https://arxiv.org/abs/2111.06377): BERT's idea, for patches.
# - Darcet et al. (2024), [Vision Transformers need registers](https://arxiv.org/abs/2309.16588): what attention maps of large models show.
#
# The digits are from the UCI repository: [Optical recognition of handwritten digits](https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits) (Alpaydin & Kaynak 1998), as scikit-learn ships them.
# The words and the code are ours.
