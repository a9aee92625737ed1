#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train and quantise the digits network, and write everything that the example ships.

    python3 -m venv /tmp/digits && /tmp/digits/bin/pip install numpy==2.4.6
    /tmp/digits/bin/python train.py            # well under a minute
    /tmp/digits/bin/python train.py --check    # re-derives what the committed files claim; no training

The split is random but fixed by SEED; nothing but the last step looks at the unseen images. The settings
below were chosen by five-fold cross-validation inside the training part. The same numpy on the same kind of
processor repeats the weights to the bit; elsewhere the last bits of floating-point sums may differ, and with
them some of the weights. Everything after quantisation is integer arithmetic and is the same everywhere.

Files (all words are 32 bits, little-endian):

weights.bin   1260 words: hidden weights [64 neurons][16 words], hidden bias [64] i32, output weights
              [10 classes][16 words], output bias [10] i32, multiplier, shift. A weight word packs four i8,
              the lowest byte first: byte b of word w belongs to input 4 * w + b.
images.bin    600 images of 16 words: 64 pixels from 0 to 16, one byte each, row by row. The order is that of
              `unseen` in split.json, so task t of twelve holds images 50 * t to 50 * t + 49.
labels.bin    600 bytes: the true digits, in the same order.
split.json    rows of digits.csv.gz (from 0) in the training part and in the unseen part.
training.json settings, accuracies and the SHA-256 of every file.

The integer network, for an image p (i8) and hidden neuron n:

    hidden[n] = min(127, (max(0, bias[n] + sum(weight[n] * p)) * multiplier + 2 ** (shift - 1)) >> shift)
    logit[c]  = output_bias[c] + sum(output_weight[c] * hidden)

and the answer is the class with the largest logit, the lowest of them when several are equal.
"""

import argparse
import gzip
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DATA_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"

SEED = 20240607
UNSEEN = 600
PIXELS, HIDDEN, CLASSES = 64, 64, 10
PIXEL_MAX = 16

EPOCHS = 400
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.01
ROTATION = SHEAR = 0.15  # radians; tangent
SCALE = 0.1
SHIFT = 0.5  # pixels
FOLDS = 5

# max(0, sum) * multiplier has to stay below 2 ** 31: sums need 17 bits or so, so the multiplier gets 13.
MULTIPLIER_BITS = 13


def load():
    """Pixels [1797, 64] and digits [1797], as integers."""
    path = HERE / "digits.csv.gz"
    found = sha256(path)
    if found != DATA_SHA256:
        sys.exit(f"{path} has SHA-256 {found}, expected {DATA_SHA256}: restore the committed file")
    table = np.loadtxt(gzip.open(path), delimiter=",", dtype=np.int64)
    return table[:, :PIXELS], table[:, PIXELS]


def split(count):
    """Rows of the training part and of the unseen part."""
    # RandomState is numpy's frozen generator: its stream is the same in every version.
    order = np.random.RandomState(SEED).permutation(count)
    return order[UNSEEN:], order[:UNSEEN]


def distort(images, random):
    """Each image rotated, sheared, scaled and moved a little, by bilinear sampling."""
    n = len(images)
    angle = random.uniform(-ROTATION, ROTATION, n)[:, None, None]
    shear = random.uniform(-SHEAR, SHEAR, n)[:, None, None]
    scale = 1 + random.uniform(-SCALE, SCALE, n)[:, None, None]
    dx = random.uniform(-SHIFT, SHIFT, n)[:, None, None]
    dy = random.uniform(-SHIFT, SHIFT, n)[:, None, None]
    y, x = np.mgrid[0:8, 0:8] - 3.5
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    source_x = cos * x - sin * y + shear * y + dx + 3.5
    source_y = sin * x + cos * y + dy + 3.5
    left, top = np.floor(source_x).astype(int), np.floor(source_y).astype(int)
    right_share, bottom_share = source_x - left, source_y - top
    padded = np.pad(images.reshape(n, 8, 8).astype(np.float64), ((0, 0), (2, 2), (2, 2)))
    image = np.arange(n)[:, None, None]

    def at(row, column):
        return padded[image, np.clip(row + 2, 0, 11), np.clip(column + 2, 0, 11)]

    upper = at(top, left) * (1 - right_share) + at(top, left + 1) * right_share
    lower = at(top + 1, left) * (1 - right_share) + at(top + 1, left + 1) * right_share
    return (upper * (1 - bottom_share) + lower * bottom_share).reshape(n, PIXELS)


def train(images, digits, seed):
    """Adam with decoupled weight decay on the cross-entropy. Returns [w1, b1, w2, b2] as float64."""
    random = np.random.RandomState(seed)
    parameters = [
        random.standard_normal((PIXELS, HIDDEN)) * np.sqrt(2 / PIXELS),
        np.zeros(HIDDEN),
        random.standard_normal((HIDDEN, CLASSES)) * np.sqrt(2 / HIDDEN),
        np.zeros(CLASSES),
    ]
    mean = [np.zeros_like(p) for p in parameters]
    square = [np.zeros_like(p) for p in parameters]
    steps = EPOCHS * -(-len(images) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = random.permutation(len(images))
        distorted = distort(images, random) / PIXEL_MAX
        for start in range(0, len(images), BATCH):
            batch = order[start : start + BATCH]
            x = distorted[batch]
            w1, b1, w2, b2 = parameters
            sums = x @ w1 + b1
            hidden = np.maximum(sums, 0)
            logits = hidden @ w2 + b2
            error = np.exp(logits - logits.max(axis=1, keepdims=True))
            error /= error.sum(axis=1, keepdims=True)
            error[np.arange(len(batch)), digits[batch]] -= 1
            error /= len(batch)
            back = (error @ w2.T) * (sums > 0)
            gradients = [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
            step += 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for i, gradient in enumerate(gradients):
                mean[i] = 0.9 * mean[i] + 0.1 * gradient
                square[i] = 0.999 * square[i] + 0.001 * gradient**2
                update = mean[i] / (1 - 0.9**step) / (np.sqrt(square[i] / (1 - 0.999**step)) + 1e-8)
                decay = WEIGHT_DECAY * parameters[i] if parameters[i].ndim == 2 else 0
                parameters[i] = parameters[i] - rate * (update + decay)
    return parameters


def predict_float(parameters, images):
    """Classes by the network in float64."""
    w1, b1, w2, b2 = parameters
    return (np.maximum(images / PIXEL_MAX @ w1 + b1, 0) @ w2 + b2).argmax(axis=1)


def quantise(parameters, images):
    """The integer network. The largest hidden value over `images` (the training part) becomes 127."""
    w1, b1, w2, b2 = parameters
    scale1 = np.abs(w1).max() / 127
    scale2 = np.abs(w2).max() / 127
    hidden_scale = np.maximum(images / PIXEL_MAX @ w1 + b1, 0).max() / 127
    # A hidden sum of 1 stands for scale1 / PIXEL_MAX; multiplier / 2 ** shift turns it into hidden_scale units.
    factor = scale1 / PIXEL_MAX / hidden_scale
    shift = MULTIPLIER_BITS - 1 - int(np.floor(np.log2(factor)))
    network = {
        "hidden": np.rint(w1.T / scale1).astype(np.int64),
        "hidden_bias": np.rint(b1 * PIXEL_MAX / scale1).astype(np.int64),
        "output": np.rint(w2.T / scale2).astype(np.int64),
        "output_bias": np.rint(b2 / (scale2 * hidden_scale)).astype(np.int64),
        "multiplier": int(np.rint(factor * 2**shift)),
        "shift": shift,
    }
    check_range(network)
    return network


def check_range(network):
    """No image whatsoever (pixels 0 to 16) may overflow an i32 in the kernels."""
    for name in ("hidden", "output"):
        assert np.abs(network[name]).max() <= 127, name
    positive = np.maximum(network["hidden"], 0).sum(axis=1) * PIXEL_MAX + network["hidden_bias"]
    negative = np.minimum(network["hidden"], 0).sum(axis=1) * PIXEL_MAX + network["hidden_bias"]
    rounding = 2 ** (network["shift"] - 1)
    assert positive.max() * network["multiplier"] + rounding < 2**31, "the requantisation overflows"
    assert negative.min() >= -(2**31), "a hidden sum overflows"
    logit = np.abs(network["output"]).sum(axis=1) * 127 + np.abs(network["output_bias"])
    assert logit.max() < 2**31, "a logit overflows"
    assert 0 < network["multiplier"] < 2**31 and 0 < network["shift"] < 32


def predict_integer(network, images):
    """Classes by the integer network: what the WGSL computes."""
    sums = np.maximum(images @ network["hidden"].T + network["hidden_bias"], 0)
    hidden = (sums * network["multiplier"] + 2 ** (network["shift"] - 1)) >> network["shift"]
    logits = np.minimum(hidden, 127) @ network["output"].T + network["output_bias"]
    return logits.argmax(axis=1)  # the first of equal values


def pack(network):
    """weights.bin."""
    return b"".join(
        [
            network["hidden"].astype("i1").tobytes(),
            network["hidden_bias"].astype("<i4").tobytes(),
            network["output"].astype("i1").tobytes(),
            network["output_bias"].astype("<i4").tobytes(),
            np.array([network["multiplier"], network["shift"]], dtype="<i4").tobytes(),
        ]
    )


def unpack(blob):
    """The integer network from weights.bin."""
    sizes = [HIDDEN * PIXELS, 4 * HIDDEN, CLASSES * HIDDEN, 4 * CLASSES, 8]
    if len(blob) != sum(sizes):
        sys.exit(f"weights.bin has {len(blob)} bytes, expected {sum(sizes)}: restore the committed file")
    ends = np.cumsum(sizes)
    part = [blob[end - size : end] for size, end in zip(sizes, ends)]
    multiplier, shift = np.frombuffer(part[4], "<i4")
    return {
        "hidden": np.frombuffer(part[0], "i1").astype(np.int64).reshape(HIDDEN, PIXELS),
        "hidden_bias": np.frombuffer(part[1], "<i4").astype(np.int64),
        "output": np.frombuffer(part[2], "i1").astype(np.int64).reshape(CLASSES, HIDDEN),
        "output_bias": np.frombuffer(part[3], "<i4").astype(np.int64),
        "multiplier": int(multiplier),
        "shift": int(shift),
    }


def score(predicted, digits):
    """How many are right, of how many."""
    right = int((predicted == digits).sum())
    return {"right": right, "of": len(digits), "percent": round(100 * right / len(digits), 2)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cross_validate(images, digits, training):
    """Accuracy over the folds of the training part, each classified by a network that never saw it."""
    folds = np.array_split(training, FOLDS)
    right = 0
    for k, fold in enumerate(folds):
        rest = np.concatenate(folds[:k] + folds[k + 1 :])
        parameters = train(images[rest], digits[rest], seed=k)
        right += int((predict_float(parameters, images[fold]) == digits[fold]).sum())
    return {"right": right, "of": len(training), "percent": round(100 * right / len(training), 2)}


def make():
    images, digits = load()
    training, unseen = split(len(images))
    validation = cross_validate(images, digits, training)
    parameters = train(images[training], digits[training], SEED)
    network = quantise(parameters, images[training])

    (HERE / "weights.bin").write_bytes(pack(network))
    (HERE / "images.bin").write_bytes(images[unseen].astype("u1").tobytes())
    (HERE / "labels.bin").write_bytes(digits[unseen].astype("u1").tobytes())
    rows = {"seed": SEED, "unseen": unseen.tolist(), "training": training.tolist()}
    (HERE / "split.json").write_text(json.dumps(rows, separators=(",", ":")) + "\n")

    report = {
        "numpy": np.__version__,
        "seed": SEED,
        "epochs": EPOCHS,
        "hidden_neurons": HIDDEN,
        "multiplier": network["multiplier"],
        "shift": network["shift"],
        "cross_validation_inside_training_part": validation,
        "float": {
            "training": score(predict_float(parameters, images[training]), digits[training]),
            "unseen": score(predict_float(parameters, images[unseen]), digits[unseen]),
        },
        "quantised": measure(network, images, digits, training, unseen),
        "sha256": hashes(),
    }
    (HERE / "training.json").write_text(json.dumps(report, indent="\t") + "\n")
    print(json.dumps(report, indent=2))


def measure(network, images, digits, training, unseen):
    return {
        "training": score(predict_integer(network, images[training]), digits[training]),
        "unseen": score(predict_integer(network, images[unseen]), digits[unseen]),
    }


def hashes():
    names = ("digits.csv.gz", "split.json", "images.bin", "labels.bin", "weights.bin")
    return {name: sha256(HERE / name) for name in names}


def check():
    """Everything but the floating-point training, compared with the committed files."""
    images, digits = load()
    training, unseen = split(len(images))
    rows = json.loads((HERE / "split.json").read_text())
    report = json.loads((HERE / "training.json").read_text())
    network = unpack((HERE / "weights.bin").read_bytes())
    check_range(network)
    findings = {
        "split.json": rows["unseen"] == unseen.tolist() and rows["training"] == training.tolist(),
        "images.bin": (HERE / "images.bin").read_bytes() == images[unseen].astype("u1").tobytes(),
        "labels.bin": (HERE / "labels.bin").read_bytes() == digits[unseen].astype("u1").tobytes(),
        "accuracies": report["quantised"] == measure(network, images, digits, training, unseen),
        "hashes": report["sha256"] == hashes(),
    }
    for name, good in findings.items():
        print(f"{name}: {'as committed' if good else 'DIFFERS'}")
    if not all(findings.values()):
        sys.exit("the committed files do not belong together: run train.py and commit all that it writes")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", action="store_true", help="compare the committed files; no training")
    check() if options.parse_args().check else make()
