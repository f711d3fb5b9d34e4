"""LitServe as its documentation has it: a LitAPI with batching, pictures as a form's file.

    python bench/peers/litserve_api.py RUN/model --port 8002 [--workers 2] [--batch 4]

With several workers each computes by one thread; with one, ONNX Runtime takes its defaults.
"""

import argparse

import litserve
from served_graph import Graph


class Api(litserve.LitAPI):
    def __init__(self, model, threads, **options):
        super().__init__(**options)
        self.model, self.threads = model, threads

    def setup(self, device):
        self.graph = Graph(self.model, self.threads)

    def decode_request(self, request):
        return self.graph.prepare(request["image"].file.read())

    def batch(self, inputs):
        return list(inputs)

    def predict(self, pictures):
        return self.graph.answers(pictures)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4)
    words = parser.parse_args()
    threads = 0 if words.workers == 1 else 1
    api = Api(words.model, threads, max_batch_size=words.batch, batch_timeout=0.01)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=words.workers)
    server.run(host="127.0.0.1", port=words.port, generate_client_file=False, log_level="warning")
