"""What a pretrained backbone sees in each picture, and heads fitted to that in well under a second."""
