#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the small digit classifier of the examples and writes its four files beside this script.

Needs torch, numpy, safetensors and scikit-learn; nothing is downloaded: the images come with
scikit-learn. The seed is fixed, so the same versions on the same kind of machine give the same tensors.
"""
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

SEED = 20240607
EPOCHS = 30
TEST_SAMPLES = 360
CALIBRATION_SAMPLES = 200
HERE = pathlib.Path(__file__).resolve().parent


class Digits(nn.Module):
    """Two convolutions and two linear layers on 8x8 grey images; 38 378 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(32 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(input)))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(x)


def load_split() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Train and test images in [0, 1] with their labels, in a fixed random order."""
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    images = torch.from_numpy(digits.images[order] / 16.0).float().unsqueeze(1)
    labels = torch.from_numpy(digits.target[order]).long()
    return (images[TEST_SAMPLES:], labels[TEST_SAMPLES:], images[:TEST_SAMPLES], labels[:TEST_SAMPLES])


def train(model: Digits, images: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        model.train()
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        schedule.step()


def main() -> None:
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    images, labels, test_images, test_labels = load_split()
    model = Digits()
    train(model, images, labels)

    model.eval()
    with torch.no_grad():
        correct = int((model(test_images).argmax(1) == test_labels).sum())
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, HERE / "model.safetensors", metadata={"format": "pt"})
    torch.jit.script(model).save(HERE / "model.pt")
    save_file({"input": images[:CALIBRATION_SAMPLES].contiguous(),
               "target": labels[:CALIBRATION_SAMPLES].contiguous()}, HERE / "calibration.safetensors")
    save_file({"input": test_images.contiguous(), "target": test_labels}, HERE / "test.safetensors")
    print(f"accuracy on {len(test_labels)} test images: {correct} right, {correct / len(test_labels):.4f}")


if __name__ == "__main__":
    main()
