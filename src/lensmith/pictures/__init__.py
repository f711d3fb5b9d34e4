"""From a file to the pixels that a network knows: reading, decoding, and preprocessing that travels with a model."""
