"""A linear head finds what is there, chooses its penalty on pictures it did not see, and speaks all tasks."""

from __future__ import annotations

import numpy as np
import torch

from lensmith.features.linear import STRENGTHS, fit_linear

DRAW = np.random.default_rng(0)


def clouds(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Two classes along the first of 40 directions, each direction in units of its own."""
    targets = np.arange(count) % 2
    features = DRAW.normal(0, noise, (count, 40)).astype(np.float32)
    features[:, 0] += 2 * targets - 1
    return features * np.float32(np.logspace(-3, 3, 40)), targets


def accuracy(weight: torch.Tensor, bias: torch.Tensor, features: np.ndarray, targets: np.ndarray) -> float:
    answers = (torch.from_numpy(features) @ weight.T + bias).argmax(1).numpy()
    return float((answers == targets).mean())


def test_classes_apart_are_told_apart_whatever_the_units() -> None:
    features, targets = clouds(200, 0.1)
    head = fit_linear(features, targets, 2, "classification", np.arange(200))
    assert accuracy(head.weight, head.bias, *clouds(200, 0.1)) > 0.98


def test_noisy_features_get_a_stronger_penalty() -> None:
    clean = fit_linear(*clouds(200, 0.05), 2, "classification", np.arange(200))
    noisy = fit_linear(*clouds(60, 2.0), 2, "classification", np.arange(60))
    assert noisy.strength > clean.strength
    assert {noisy.strength, clean.strength} <= set(STRENGTHS)
    assert "5 folds" in noisy.reason


def test_views_of_one_picture_stay_on_one_side() -> None:
    """With labels that mean nothing, a view on the other side would make memorising look good."""
    features = DRAW.normal(size=(60, 200)).astype(np.float32)
    targets = DRAW.integers(0, 2, 60)
    twice, again = np.concatenate([features, features]), np.concatenate([targets, targets])
    pictures = np.concatenate([np.arange(60), np.arange(60)])
    apart = fit_linear(twice, again, 2, "classification", np.arange(120))
    together = fit_linear(twice, again, 2, "classification", pictures)
    assert apart.strength < together.strength


def test_numbers_and_several_labels() -> None:
    features = DRAW.normal(size=(300, 10)).astype(np.float32)
    value = 1000 + 50 * features[:, 3]
    head = fit_linear(features, value, 1, "regression", np.arange(300))
    said = (torch.from_numpy(features) @ head.weight.T + head.bias)[:, 0].numpy()
    assert np.abs(said - value).mean() < 2
    labels = (features[:, :3] > 0).astype(np.int64)
    head = fit_linear(features, labels, 3, "multilabel", np.arange(300))
    said = (torch.from_numpy(features) @ head.weight.T + head.bias).numpy() > 0
    assert (said == labels).mean() > 0.97


def test_a_constant_feature_and_more_features_than_pictures_do_no_harm() -> None:
    """Directions that no picture shows have no weight, and the answer is the best there is for its penalty."""
    features, targets = clouds(30, 0.3)
    features[:, 7] = 5.0
    head = fit_linear(features, targets, 2, "classification", np.arange(30))
    spread = torch.from_numpy(features).std(0).clamp(min=1e-6)
    weight, bias = head.weight.clone().requires_grad_(), head.bias.clone().requires_grad_()
    outputs = torch.from_numpy(features) @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(targets))
    (loss + head.strength / 2 * (weight * spread).square().sum()).backward()
    slope = torch.cat([(weight.grad / spread)[:, spread > 1e-5].flatten(), bias.grad])
    assert float(slope.abs().max()) < 1e-3
    assert float(head.weight[:, 7].abs().max()) < 1e-3
