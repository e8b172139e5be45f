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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/your_account/attention-course/blob/main/notebooks/10_beyond_language.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/your_account/attention-course/main?urlpath=lab/tree/notebooks/10_beyond_language.ipynb)
#
# # 10. Beyond language
#
# **After this lesson you can**
# - turn a picture into a line of tokens, and say why a token is a patch and not a pixel;
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
# Nothing in a Transformer block says *word*. It takes a line of vectors and gives a line of vectors. So if you can write
# something as a line of vectors, a Transformer can read it.
#
# Let us try handwritten digits. scikit-learn ships 1,797 of them, each 8 by 8 pixels. A quarter is kept for testing.

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
# **Predict first:** a photo is often scaled to 224 by 224 pixels. Attention compares every token with every other. How many weights would one head compute?

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
# Two and a half billion, for one head of one layer. And a single pixel says as little as a single letter.
#
# So the picture is cut into small squares, **patches**, and each patch is a token. A photo becomes a text of 196 words. This is the idea
# of the **vision Transformer**, ViT for short (Dosovitskiy et al. 2021). Our digits become texts of 16 words.

# %% tags=["form"]
feedback_box("10, section 1")

# %% [markdown]
# ## 2. Cut it into patches (12 minutes)
#
# Here is a tiny picture, 4 by 4, with its pixels numbered in the order in which they lie in memory. Say you want patches of 2 by 2.
# The first patch is then 0, 1, 4, 5.

# %%
tiny = torch.arange(16).reshape(1, 4, 4)  # (b, height, width)
tiny[0]

# %% [markdown]
# **Predict first:** four patches of four numbers are wanted, (1, 4, 4). Will `reshape` do?

# %%
tiny.reshape(1, 4, 2 * 2)[0]  # (patches, patch * patch)?

# %% [markdown]
# No: the first line is 0, 1, 2, 3, a piece of a row and not a square. `reshape` never moves a number, it only puts the brackets elsewhere. The
# pixels of a patch lie apart in memory, so something must move. That is the job of `permute`, which re-orders axes:

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
# Written for you: a picture that cannot be cut evenly is refused.
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


# %% tags=["exercise"]
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
    pieces = ...  # five axes
    ordered = ...  # five axes, the last two (patch, patch)
    return ...


# %% tags=["check"]
checks.patchify(patchify)

# %% [markdown]
# Stuck? Remove the `#` below, run the cell, and go on with the reference; come back later.

# %%
# from helpers.layers import patchify

# %% [markdown]
# Your function at work on a test picture. **Predict first:** which patches will be almost white?

# %% tags=["expected-output"]
picture = test_images[3]
patches.draw_patches(picture, patchify(picture[None], 2)[0])

# %% tags=["form"]
media.what_you_should_see("10_beyond_language_1")

# %% [markdown]
# The lower line is all that the Transformer will get. Try to read the digit from it: you need to know which token stood where.

# %% tags=["form"]
feedback_box("10, section 2")

# %% [markdown]
# ## 3. A vision Transformer (15 minutes)
#
# Four steps, and three of them you know:
#
# 1. **Embed.** A word had a row in a table. A patch is made of numbers already, so a linear layer turns its 4 numbers into 32.
# 2. **Add positions.** Here they are learned, one vector for each token's place, as in lesson 5.
# 3. **Blocks.** Lesson 4's, unchanged, with the norm first.
# 4. **Classify.** New: one more token is put in front, the **class token**. It belongs to no patch. It starts with the same learned
#    vector in every picture, and collects what it needs by attending to the patches. The classifier reads this token only.


# %%
class VisionTransformer(nn.Module):
    """Reads a square picture as a line of patches, and classifies it (Dosovitskiy et al. 2021)."""

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
# Training is what you know from lesson 7: cross-entropy, AdamW, batches. Twenty passes over the pictures with large steps, then ten with small
# ones, to settle.


# %%
def learn(model: nn.Module, train_images: torch.Tensor, test_images: torch.Tensor) -> list[float]:
    """Train the model, and return its accuracy on the test pictures after each pass."""
    batches = DataLoader(TensorDataset(train_images, train_labels), batch_size=64, shuffle=True)
    test_batches = DataLoader(TensorDataset(test_images, test_labels), batch_size=450)
    accuracies = []
    for passes, learning_rate in ((20, 3e-3), (10, 5e-4)):
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
        for _ in range(passes):
            model.train()
            for pictures, answers in batches:
                loss = F.cross_entropy(model(pictures.to(DEVICE)), answers.to(DEVICE))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            accuracies.append(evaluate(model, test_batches, DEVICE).accuracy)
    return accuracies


# %% [markdown]
# Beside it we train a twin without positions: to it, a picture is a bag of patches.
#
# **Predict first:** of ten digits, how many will each get right? Write both numbers down. (The cell takes about 20 seconds.)

# %%
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

# %%
print("with positions, at least 0.95:", with_positions[-1] >= 0.95)
print("without, far below:", without_positions[-1] < with_positions[-1] - 0.15)

# %% [markdown]
# Blocks that were made for words read digits, and nobody changed a line of them.
#
# Is that impressive? Never trust a number that stands alone. The simplest model there is, **logistic regression**, takes the 64 pixels and one matrix, no attention, no layers.
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
    xlabel="accuracy on 450 test pictures",
    xlim=(0, 1.15),
)

# %%
print("less than 0.04 apart:", abs(with_positions[-1] - baseline_accuracy) < 0.04)

# %% [markdown]
# About as good, with 650 numbers to learn instead of our 18,000. With 450 test pictures, a difference of 0.01 is four or five pictures: chance alone moves
# an accuracy of 0.96 by about that much.
#
# **Think! 10.1.** Was the Transformer a waste, then? On which pictures would you expect logistic regression to fail, and the Transformer not?

# %% tags=["form"]
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
# The two pictures in the middle show attention in each layer: the stronger the colour, the more. The numbers do not quite add up to 100, because the class token also attends to itself.
#
# The last picture asks another question: what if this patch were white? This is **occlusion**, as in lesson 3. The stronger the colour, the more the
# prediction hangs on the patch. (The numbers are changes of the *log-odds*: at -2.3, the odds for this digit are a tenth of what they were.)
#
# Do the two agree?
#
# **Predict first:** in how many of ten test pictures is the patch with the most attention in the last layer also the one that the prediction hangs on most?

# %%
looks = [digit_attention.look_at(model, image) for image in test_images]
same = sum(int(look.attention(layer=2).argmax() == look.lost.argmax()) for look in looks) / len(looks)
print("the same patch in fewer than 3 of 10 pictures:", same < 0.3)

# %% [markdown]
# That is not far from picking one of 16 patches at random. Attention tells you from where information is *fetched*. It does not tell you what is made of it: values, MLPs and the classifier stand between a weight and the
# decision. Weights are a clue, not an explanation (lesson 3).
#
# Now look around: pick a digit, a picture of it, a layer and a head. Does a head of layer 1 always look at the same place? Does one of layer 2?

# %%
digit_attention.attention_demo(model, test_images, test_labels)

# %% [markdown]
# And where it is wrong? These are all of its mistakes on the test pictures. Would you have known?

# %%
wrong = [place for place, look in enumerate(looks) if look.predicted != int(test_labels[place])]
patches.draw_digits(
    test_images[wrong],
    [f"{int(test_labels[place])}, not {looks[place].predicted}" for place in wrong],
    title="Every digit that it got wrong",
)

# %% [markdown]
# **Think! 10.2.** Some patches are white in almost every picture, such as the left edge. Can the class token have a reason to attend to them?

# %% tags=["form"]
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
# **Predict first:** a new vision Transformer is trained on scrambled pictures and tested on scrambled pictures. How many of ten will it get right?

# %%
torch.manual_seed(2021)
scrambled_model = VisionTransformer(8, 2, 32, 4, 2, 10).to(DEVICE)
scrambled = learn(scrambled_model, scramble(train_images), scramble(test_images))

plots.curves(
    range(1, 31),
    {"as they are": with_positions, "scrambled": scrambled},
    title="To the model, both are pictures",
    xlabel="pass over the training pictures",
    ylabel="accuracy on test pictures",
)

# %%
print("scrambled pictures, at least 0.90:", scrambled[-1] >= 0.90)

# %% [markdown]
# It reads what you cannot. A vision Transformer does not know that neighbouring pixels belong together, that a picture has an up and a down, or that a
# cat moved to the left is still a cat. Whatever of this it needs, it must learn from data.
#
# A **convolutional network** has much of it built in: it looks at neighbouring pixels, in the same way everywhere. Dosovitskiy et al. measured what that is worth. Trained on 1.3 million
# pictures, their vision Transformers stayed a little behind convolutional networks of the same size; trained on 300 million, they were ahead. Knowledge that is built
# in helps where data is scarce.
#
# **Think! 10.3.** How could you give a vision Transformer more pictures, without taking a single new one?

# %% tags=["form"]
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
# | generalist agents | [Gato](https://arxiv.org/abs/2205.06175) | words, patches, buttons and joint angles, in one line |

# %% [markdown]
# **Predict first:** how many tokens are ten seconds of speech, cut as in wav2vec 2.0? And of film, with 24 pictures a second of 196 patches each?

# %%
lengths = {"a sentence": 20, "ten seconds of speech": 10 * 50, "a photo": 196, "ten seconds of film": 10 * 24 * 196}
figure = plots.bars(
    list(lengths),
    list(lengths.values()),
    title="All of these are texts, of very different lengths",
    xlabel="tokens (logarithmic)",
    value_format=",.0f",
)
figure.axes[0].set(xscale="log", xlim=(1, 1e6))
figure

# %% [markdown]
# And attention costs the square of that (lesson 6). Much of the work in the table went into making the line shorter.
#
# **Think! 10.4.** Choose something that is not in the table: music, proteins, the weather, a game of chess. What would be a token? What would a position be? What would you mask or predict, so
# that the model learns without labels?

# %% tags=["form"]
feedback_box("10, section 6")

# %% [markdown]
# ## Summary
#
# - A Transformer reads whatever can be written as a line of vectors. A picture becomes one by cutting it into patches.
# - You wrote `patchify`: cut both sides, re-order the axes, join. `reshape` alone moves nothing.
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
