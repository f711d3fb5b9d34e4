"""An index of their own, and nothing of the user's."""

from own_index import index, marked, repository, uv_cache  # noqa: F401  (fixtures)
