"""The texts of a distillation, their shares and batches, and the pictures of the worst readings."""
import numpy as np
import pytest
from test_preprocess import write

from distillation.inference import Utterance
from distillation.pictures import WorstAlignments, picture_name
from distillation.processes import Processes
from distillation.quality import measure_quality
from distillation.requests import Request, share_rows
from distillation.texts import Text, read_texts
from hparams import UserError
from runtime.batching import group_by_length


def test_share_is_a_partition_whatever_is_finished():
    texts = [Text(f"t{number}", "") for number in range(5)]
    parts = [share_rows(texts, 2, Processes(rank, 3, 0), set()) for rank in range(3)]
    assert sorted(row for part in parts for row in part) == sorted((text, s) for text in texts for s in range(2))
    finished = {("t0", 0), ("t4", 1)}
    later = [share_rows(texts, 2, Processes(rank, 3, 0), finished) for rank in range(3)]
    assert [[row for row in part if (row[0].name, row[1]) not in finished] for part in parts] == later


@pytest.mark.parametrize("count, expected", [(1, "c"), (2, "ce"), (3, "bce"), (4, "bcde")])
def test_worst_are_the_rejected_then_the_blurred(count, expected):
    worst = WorstAlignments(count)
    for name, focus, reason in (("e", np.nan, None), ("b", 0.2, None), ("a", 0.9, None), ("c", 0.95, "jumps"),
                                ("d", 0.5, None)):
        found = measure_quality(np.ones((4, 2)) / 2, True)._replace(focus=focus)
        worst.add(Utterance(Request(name, 0, [1, 2]), 0, None, None, np.ones((4, 2)), found, reason, None))
    assert "".join(sorted(entry[1][0] for entry in worst._heap)) == expected


@pytest.mark.parametrize("name", [".", "metadata.csv"])
def test_held_out_rows_are_not_distilled(tmp_path, name):
    write(tmp_path / "metadata.csv", "a|One.", "b|Two.", "c|Three.")
    write(tmp_path / "heldout.csv", "b|Two.", "d|Four.")
    notices = []
    assert read_texts([tmp_path / name], notices.append) == [("a", "One."), ("c", "Three.")]
    assert "1 of 3 rows are left out, they are held out by" in notices[0] and len(notices) == 1
    assert [text.name for text in read_texts([tmp_path / "heldout.csv"], pytest.fail)] == ["b", "d"]  # asked for
    write(tmp_path / "heldout.csv", "a|One.", "b|Two.", "c|Three.")
    with pytest.raises(UserError, match="all 3 rows are held out"):
        read_texts([tmp_path / name], notices.append)


def test_names_of_pictures_fit_any_file_system():
    assert picture_name("a/b c.d") == "a_b_c.d"
    long = [picture_name("\u8a9e" * 80 + ending) for ending in "ab"]
    assert all(len(name.encode()) < 120 for name in long) and long[0] != long[1]


def test_read_texts(tmp_path):
    plain = write(tmp_path / "p.txt", "One.", "", "Two.")
    (tmp_path / "LJ").mkdir()
    write(tmp_path / "LJ/metadata.csv", "L1|raw 1|one", "L2|two|{T UW1}")
    assert read_texts([plain, tmp_path / "LJ"], pytest.fail) == [("p-000001", "One."), ("p-000003", "Two."),
                                                                 ("L1", "one"), ("L2", "two")]


def test_by_length():
    assert group_by_length([5, 1, 9, 2, 2], 6) == [[1, 3, 4], [0], [2]]
    assert group_by_length([], 6) == []


def test_name_twice_in_two_files(tmp_path):
    with pytest.raises(UserError, match="a: the name of two texts"):
        read_texts([write(tmp_path / "1.csv", "a|x"), write(tmp_path / "2.csv", "a|y")], pytest.fail)
