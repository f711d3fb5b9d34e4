"""From stored pictures to batches, with augmentation, vectorised, where the pictures lie."""
