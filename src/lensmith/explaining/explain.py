"""Why a model answers what it does: a heat map of one picture, and how far that is to be trusted.

From a layer of the network where torch can run it, else by covering the picture's parts, which asks the model alone.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.engines import torch_engine, torch_network
from lensmith.errors import LensmithError, ModelFileError
from lensmith.explaining.gradients import is_there, layer_heat
from lensmith.explaining.hiding import DRAWS, Trust, trust
from lensmith.explaining.occlusion import explanation
from lensmith.pictures.decode import Pixels

if TYPE_CHECKING:
    from torch import nn

INSTALL = 'pip install "lensmith[explain]"'
_CLOSE = 0.02
"""How far the network's outputs may lie from the bundle's, as a share of the largest of them."""
_LABEL = 0.5
"""Of several labels those are said, and explained, that have this probability."""


@dataclass(frozen=True)
class Explained:
    """Where one output of a model hangs on one picture.

    output: which one; score: its probability, or the number. layer: the one that the map is from, "" where parts were
    covered. places: float32 [rows, columns], what each part adds to the output, or what covering it takes off; below
    0 where it speaks against it. trust: how far to believe that. largest: of what was covered, the most that it took
    off. is_flat: whether nothing is marked that matters. is_number: whether the model gives a number, for which both
    ways count.
    """

    output: int
    score: float
    layer: str
    places: NDArray[np.float32]
    trust: Trust
    largest: float | None = None
    is_flat: bool = False
    is_number: bool = False

    @property
    def marked(self) -> NDArray[np.float32]:
        """What the map marks, float32 [rows, columns], at least 0."""
        both: NDArray[np.float32] = np.abs(self.places)
        return both if self.is_number else np.maximum(self.places, 0)

    def heat(self, height: int, width: int) -> NDArray[np.float32]:
        """What is marked, for each pixel: float32 [height, width], smooth between places."""
        smooth = Image.fromarray(self.marked).resize((width, height), Image.Resampling.BILINEAR)
        return np.maximum(np.asarray(smooth, np.float32), 0)

    def verdict(self) -> str:
        """How far to trust the map, in one sentence."""
        said = self.trust
        draws = len(said.random)
        moves = "moves the number further" if self.is_number else "takes the probability down faster"
        figures = f"mean {abs(said.deletion):.3g} against {abs(float(np.mean(said.random))):.3g}"
        hiding = f"hiding what it marks {moves} than hiding random parts in {said.faster} of {draws} draws"
        showing = f"showing only that brings the answer back sooner in {said.sooner}"
        if said.holds:
            return f"{hiding} ({figures}), and {showing}"
        return f"do not trust this map: {hiding} ({figures}), and {showing}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "score": self.score,
            "method": "layer" if self.layer else "occlusion",
            "layer": self.layer or None,
            "places": [[round(float(value), 6) for value in row] for row in self.places],
            "flat": self.is_flat,
            "trust": self.trust.as_dict(),
            "verdict": self.verdict(),
        }


def network_of(bundle: Bundle) -> tuple[nn.Module | None, str]:
    """The bundle's network, run by torch, or why there is none: no torch, no name, or code that changed since."""
    if importlib.util.find_spec("torch") is None:
        return None, "torch is not installed (lensmith doctor --fix)"
    probe = np.random.default_rng(0).integers(0, 256, (2, *bundle.preprocess.size, 3), dtype=np.uint8)
    wanted = bundle.logits(probe)
    try:
        network = torch_network(bundle.facts, bundle.files).eval()
        given = torch_engine(network, bundle.preprocess)(probe)
    except (LensmithError, ImportError) as error:
        return None, getattr(error, "message", str(error))
    far = float(np.abs(given - wanted).max()) if given.shape == wanted.shape else np.inf
    if not far <= _CLOSE * max(1.0, float(np.abs(wanted).max())):
        return None, f"{bundle.facts.model} is no longer what the bundle was made of: it gives other answers"
    return network, ""


def why_covered(network: nn.Module | None, why: str) -> str:
    """Why the parts of a picture have to be covered instead of asking a layer of the network, or nothing."""
    if network is None:
        return why
    return "" if is_there() else f"captum is not installed ({INSTALL})"


def explain(
    bundle: Bundle,
    pixels: Pixels,
    output: int | None = None,
    *,
    network: nn.Module | None = None,
    draws: int = DRAWS,
) -> Explained:
    """Explain an output of a model, the likeliest where none is named, on a prepared picture, uint8 [H, W, 3].

    network: as `network_of` gives it. Without one, without captum, or where none of its layers shows the picture's
    places, parts of the picture are covered. draws: random orders that the map is compared with. Raises
    `ModelFileError` where the model gives what is no number.
    """
    is_number = bundle.task == "regression"
    whole = bundle.scores(pixels[None])[0]
    if not np.isfinite(whole).all():
        raise ModelFileError("the model gives what is no number", hint="Its training diverged.")
    output = int(whole.argmax()) if output is None else output
    layer, largest, is_flat = "", None, False
    found = None if network is None or not is_there() else _from_layer(network, bundle, pixels, output)
    if found is not None:
        layer, places = found
    else:
        why = explanation(bundle.scores, pixels, output, is_number=is_number)
        places, largest, is_flat = why.occlusion.drops, why.largest, why.is_flat
    marked = np.abs(places) if is_number else np.maximum(places, 0)
    believed = trust(bundle.scores, pixels, marked, output, is_number=is_number, draws=draws)
    score = float(whole[output])
    return Explained(output, score, layer, places, believed, largest, is_flat or not marked.any(), is_number)


def outputs_said(bundle: Bundle, pixels: Pixels) -> list[int]:
    """The outputs that an answer consists of: one, or of several labels each that is said, at least the likeliest."""
    scores = bundle.scores(pixels[None])[0]
    if bundle.task != "multilabel":
        return [int(scores.argmax())]
    said = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] >= _LABEL]
    return said or [int(scores.argmax())]


def _from_layer(
    network: nn.Module, bundle: Bundle, pixels: Pixels, output: int
) -> tuple[str, NDArray[np.float32]] | None:
    import torch

    from lensmith.batches.batches import normalised

    images = normalised(torch.from_numpy(np.array(pixels[None])), bundle.preprocess).contiguous()
    heat = layer_heat(network, images, output)
    if heat is None or not np.isfinite(heat.places).all():
        return None
    return heat.layer, heat.places
