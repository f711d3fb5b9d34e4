"""The bundles that these tests look at."""

from small_bundles import bundle, file, folder, smooth  # noqa: F401
