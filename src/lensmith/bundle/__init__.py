"""A model file that carries its preprocessing, class names and figures; how to open, ask and export it.

Everything here works without torch where the bundle holds a graph and ONNX Runtime is installed.
"""
