"""The handler that one writes by hand: FastAPI, one picture a request, in a thread of its pool.

    python bench/peers/fastapi_handler.py RUN/model --port 8001

A plain `def` route, as FastAPI's documentation advises for work that blocks; ONNX Runtime with its defaults.
"""

import argparse

import uvicorn
from fastapi import Body, FastAPI
from served_graph import Graph

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--port", type=int, required=True)
words = parser.parse_args()
graph = Graph(words.model)
app = FastAPI()


@app.post("/predict")
def predict(content: bytes = Body(media_type="image/jpeg")) -> dict:
    return graph.answers([graph.prepare(content)])[0]


uvicorn.run(app, host="127.0.0.1", port=words.port, log_level="warning")
