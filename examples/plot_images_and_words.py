"""
Images from words, and words from images
========================================

Modalities need not be tables. Here one is an image of 16 × 15 pixels and the other an English word
of eight letters, in one-hot form over an alphabet of 71 symbols. Each gets the network and the
likelihood that suits it. One model goes from images to words, another from words to images.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import decode_text, encode_text, load_multiple_features

WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])

# %%
# The data
# --------
# Handwritten digits, each with its word. Blanks fill the word up to eight letters.

digits = load_multiple_features()
images, y = digits.images / 6, digits.target
words = encode_text(WORDS[y])
I_train, I_test, W_train, W_test, y_train, y_test = train_test_split(
    images, words, y, stratify=y, random_state=0
)
print(I_train.shape, W_train.shape)

# %%
# Describe the modalities
# -----------------------
# An image without an axis of colours only needs its network. For a text, say which axis holds the
# symbols. A Bernoulli likelihood takes grey values between 0 and 1.

image = Modality("image", network="conv2d", likelihood="bernoulli")
word = Modality("word", channels="last", network="conv1d", likelihood="categorical")
params = {"max_epochs": 12, "early_stopping": False, "random_state": 0}

# %%
# Words from images
# -----------------
# A draw takes z from p(z|image), and then each letter from its own distribution given z. The
# letters depend on each other through z alone. This is enough if the image leaves no doubt of the
# word.

reader = CMMDClassifier(observed=[image], missing=[word], **params)
reader.fit(I_train, y_train, X_missing=W_train)
drawn = decode_text(reader.generate_missing(I_test, n_samples=1, random_state=0)[:, 0])
right = np.array([text.strip() for text in drawn]) == WORDS[y_test]
print(f"the digit is recognised in {reader.score(I_test, y_test):.3f} of the images,")
print(f"and the drawn word is spelt correctly in {right.mean():.3f}")
print([text.strip() for text in drawn[:8]], "for", WORDS[y_test][:8].tolist())

# %%
# Images from words
# -----------------
# The word tells the digit and nothing about the handwriting, so the mean is an average digit. The
# draws of a Bernoulli likelihood are black and white.

painter = CMMDClassifier(observed=[word], missing=[image], **params)
painter.fit(W_train, y_train, X_missing=I_train)
rows = [np.flatnonzero(y_test == digit)[0] for digit in range(10)]
pictures = {
    "true": I_test[rows],
    "mean": painter.generate_missing(W_test[rows]),
    "draw": painter.generate_missing(W_test[rows], n_samples=1, random_state=0)[:, 0],
}
figure, axes = plt.subplots(len(pictures), 10, figsize=(8, 2.7), layout="constrained")
for line, (name, made) in zip(axes, pictures.items(), strict=True):
    for axis, picture, digit in zip(line, made, range(10), strict=True):
        axis.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        if name == "true":
            axis.set_title(WORDS[digit], fontsize=8)
    line[0].set_ylabel(name)
plt.show()
