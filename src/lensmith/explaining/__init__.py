"""Where an answer hangs on its picture, how far that can be trusted, and which training pictures are like it."""
