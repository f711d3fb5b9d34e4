"""Training: `fit`, one loop over plain parts; `train`, the whole job made of them."""
