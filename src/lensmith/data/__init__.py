"""From files to batches: data sets, decoding, preprocessing, the store, splits and augmentation."""
