"""The sample set as files is the sample set."""

from __future__ import annotations

from pathlib import Path

import pytest

from lensmith.data.sample import write_sample
from lensmith.data.sources import load_data
from lensmith.errors import UsageError


def test_the_digits_as_files_are_the_digits(tmp_path: Path) -> None:
    assert write_sample("digits", tmp_path / "deep" / "digits") == 1797
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["digits"]
    files, embedded = load_data(tmp_path / "deep" / "digits"), load_data("digits")
    assert files.counts() == embedded.counts()
    assert files.classes == embedded.classes == list("0123456789")
    assert files.skipped == ()
    for index in range(0, 1797, 97):
        number = int(Path(str(files.examples[index].source)).stem)
        assert (files.pixels(index) == embedded.pixels(number)).all()
        assert files.targets[index] == embedded.targets[number]


def test_a_sample_is_not_poured_over_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="already holds something"):
        write_sample("digits", tmp_path)
    with pytest.raises(UsageError, match="already holds something"):
        write_sample("digits", tmp_path / "mine.txt")
    with pytest.raises(UsageError, match="no sample set is called 'letters'") as caught:
        write_sample("letters", tmp_path / "new")
    assert "digits" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
