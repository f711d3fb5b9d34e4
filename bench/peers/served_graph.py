"""What the serving peers have in common: a bundle's graph as ONNX Runtime opens it, and how a picture is made for it.

Nothing of lensmith. As lensmith does, it turns a picture upright, resizes its short side and cuts out the centre.
"""

import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


class Graph:
    """MODEL is the folder `model/` of a run: graph.onnx points into weights.safetensors beside it."""

    def __init__(self, model, threads=0):
        facts = json.loads((Path(model) / "bundle.json").read_text())
        assert facts["preprocess"]["fit"] == "crop"
        self.filter = Image.Resampling[facts["preprocess"]["interpolation"].upper()]
        self.classes = facts["classes"]
        self.side = facts["preprocess"]["size"][0]
        self.short = facts["preprocess"]["resize"] or self.side
        graph = str(Path(model) / "graph.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads  # 0: its own default
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def prepare(self, content):
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
        ratio = self.short / min(picture.size)
        size = [max(self.side, int(length * ratio)) for length in picture.size]
        picture = picture.resize(size, self.filter)
        left, top = (round((length - self.side) / 2) for length in size)
        return np.asarray(picture.crop((left, top, left + self.side, top + self.side)))

    def answers(self, pictures):
        logits = self.session.run(["logits"], {"images": np.stack(pictures)})[0]
        odds = np.exp(logits - logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        return [{"label": self.classes[row.argmax()], "probability": float(row.max())} for row in odds]
