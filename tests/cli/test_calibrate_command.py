"""`lensmith calibrate`: how sure a model is, set by pictures that it did not learn from."""

from __future__ import annotations

from pathlib import Path

from command_line import command, tree

from lensmith.bundle.bundle import load_model


def test_a_threshold_for_the_error_that_is_asked_for(trained_digits: Path, tmp_path: Path) -> None:
    run, digits = trained_digits / "runs/digits-001", trained_digits / "digits"
    before = tree(run)
    done = command("calibrate", run, digits, "--max-error", "0.01", "-o", "sure.lens", "--json", cwd=tmp_path)
    assert done.code == 0
    assert tree(run) == before
    saved = load_model(tmp_path / "sure.lens")
    assert (saved.facts.temperature, saved.facts.threshold) == (
        done.json["temperature"],
        done.json["threshold"],
    )
    assert saved.facts.threshold != 0.5
    assert saved.facts.report == {}, "its figures were those of other probabilities"
    assert saved.sha256 != load_model(run).sha256


def test_what_it_cannot_be_set_by(trained_digits: Path, tmp_path: Path) -> None:
    run = trained_digits / "runs/digits-001"
    few = tmp_path / "few"
    for name in ("0", "1"):
        (few / name).mkdir(parents=True)
        for number, file in enumerate(sorted((trained_digits / "digits").rglob(f"{name}/*.png"))[:5]):
            (few / name / f"{number}.png").write_bytes(file.read_bytes())
    command("calibrate", run, few, "-o", "a.lens", cwd=tmp_path).refused(3, "10 pictures are too few")
    command("calibrate", run, few, "--max-error", "2", "-o", "a.lens", cwd=tmp_path).refused(2, "outside")
    assert not (tmp_path / "a.lens").exists()
