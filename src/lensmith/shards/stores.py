"""Shards in what fsspec opens: s3:// with s3fs, gs:// with gcsfs and so on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from lensmith.errors import DataError, MachineError, UsageError
from lensmith.shards.places import Facts

TRIES = 4
PAUSE = 0.5
"""Seconds before the second try; twice as many before each one after it."""
SECONDS = 60
"""That one answer may take."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified")
_Given = TypeVar("_Given")


def open_store(word: str) -> Store:
    """The place behind a URL. Raises `MachineError` where its package is missing, `UsageError` for no such kind."""
    scheme = word.partition("://")[0].lower()
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MachineError(
            f"{word} needs fsspec and {_PACKAGES.get(scheme, 'its package')}",
            hint="pip install 'lensmith[shards]' brings them for s3://.",
        ) from error
    options: dict[str, Any] = {}
    if _PACKAGES.get(scheme) == "s3fs":
        limits = {"connect_timeout": SECONDS / 4, "read_timeout": SECONDS, "retries": {"max_attempts": 2}}
        options = {"config_kwargs": limits}
    try:
        files, root = url_to_fs(word, **options)
    except ImportError as error:
        package = _PACKAGES.get(scheme, str(error))
        raise MachineError(f"{word} needs {package}", hint=f"pip install {package}") from error
    except ValueError as error:
        raise UsageError(f"{word}: {error}", hint="http://, https:// and s3:// are known.") from error
    return Store(word.rstrip("/"), files, root.rstrip("/"))


class Store:
    """A folder in it; its answers are checked, since not every kind does."""

    is_near = False

    def __init__(self, word: str, files: Any, root: str) -> None:
        self._word, self._files, self._root = word, files, root

    def called(self, name: str) -> str:
        """Its URL."""
        return f"{self._word}/{name}"

    def names(self) -> list[str]:
        """All files below it."""
        found = self._asked("", lambda: self._files.find(self._root))
        return sorted(path[len(self._root) :].lstrip("/") for path in found)

    def facts(self, name: str) -> Facts:
        """Size and version, asked anew."""

        def ask() -> dict[str, Any]:
            self._files.invalidate_cache()
            told: dict[str, Any] = self._files.info(self._path(name))
            return told

        told = self._asked(name, ask)
        version = next((str(told[word]) for word in _VERSIONS if told.get(word)), "")
        return Facts(int(told.get("size") or 0), version)

    def read(self, name: str, start: int, size: int, facts: Facts) -> bytes:
        """A range. Of a shard whose pictures nobody told the sha256 of, it is asked first whether it changed."""
        now = self.facts(name) if facts.version else facts
        if (now.size, now.version) != (facts.size, facts.version):
            raise DataError(
                f"{self.called(name)}: the shard changed (it has {now.size:,} bytes of version {now.version}; it had "
                f"{facts.size:,} of {facts.version})",
                hint="Begin anew with the shards as they are now.",
            )
        content: bytes = self._asked(
            name, lambda: self._files.cat_file(self._path(name), start=start, end=start + size)
        )
        return content

    def whole(self, name: str, most: int) -> bytes | None:
        """All of a file."""

        def ask() -> bytes | None:
            try:
                content: bytes = self._files.cat_file(self._path(name), start=0, end=most + 1)
            except FileNotFoundError:
                return None
            return content

        content = self._asked(name, ask)
        if content is not None and len(content) > most:
            raise DataError(f"{self.called(name)}: more than {most:,} bytes")
        return content

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _asked(self, name: str, ask: Callable[[], _Given]) -> _Given:
        """Each kind of store has errors of its own; some of them pass."""
        for tried in range(TRIES):
            try:
                return ask()
            except (FileNotFoundError, PermissionError) as error:
                raise self._refused(name, error) from error
            except Exception as error:
                if tried == TRIES - 1:
                    raise self._refused(name, error) from error
                time.sleep(PAUSE * 2**tried)
        raise AssertionError

    def _refused(self, name: str, error: Exception) -> DataError:
        said = str(error).strip().splitlines() or [type(error).__name__]
        return DataError(
            f"{self.called(name).rstrip('/')}: cannot be read ({said[0]})",
            hint="Who may read it, and where it lies, is told as its own programs are told: AWS_ACCESS_KEY_ID, "
            "AWS_ENDPOINT_URL and the like; FSSPEC_S3_ANON=true for an open bucket.",
        )
