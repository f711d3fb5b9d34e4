"""One loop over plain parts: `fit`, the update of a step, losses, optimizers."""
