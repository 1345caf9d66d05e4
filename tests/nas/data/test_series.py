"""Measurements: read as they were written, split in time, and refused with the place of what is wrong."""

import os
import pickle

import numpy as np
import pytest

from nas.data import series
from nas.errors import Invalid

TIMES = np.arange(1000.0)
VALUES = np.stack([np.sin(TIMES / 7), 5 + 3 * np.cos(TIMES / 11), TIMES], axis=1)
"""Three channels; the last tells when a row was measured."""


def save_csv(path, values=VALUES, header="x,y,when", separator=","):
    rows = [separator.join(map(repr, row)) for row in values.tolist()]
    path.write_text("\n".join([header, *rows] if header else rows) + "\n")


@pytest.fixture
def root(tmp_path):
    save_csv(tmp_path / "named.csv")
    np.save(tmp_path / "array.npy", VALUES)
    return tmp_path


@pytest.mark.parametrize("name", ["named.csv", "array.npy"])
def test_values_come_back_in_order_with_gaps_between_the_splits(root, name):
    loaded = series.load(name, root, window=20)
    assert [len(loaded.train), len(loaded.validation), len(loaded.test)] == [760, 100, 100]
    whole = [split * loaded.deviation + loaded.mean for split in (loaded.train, loaded.validation, loaded.test)]
    for found, expected in zip(whole, (VALUES[:760], VALUES[780:880], VALUES[900:]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert {split.dtype for split in (loaded.train, loaded.validation, loaded.test)} == {np.dtype(np.float32)}


def test_training_part_alone_is_what_values_are_measured_against(root):
    loaded = series.load("array.npy", root, window=20)
    np.testing.assert_allclose(loaded.train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(loaded.train.std(0), 1, atol=1e-5)
    np.testing.assert_allclose(loaded.mean, VALUES[:760].mean(0))
    changed = VALUES.copy()
    changed[760:] *= 3
    np.save(root / "array.npy", changed)
    np.testing.assert_array_equal(series.load("array.npy", root, window=20).train, loaded.train)


def test_rows_of_windows_that_touch_no_two_splits(root):
    window = 37
    when = [split[:, 2] for split in _splits(series.load("array.npy", root, window=window))]
    rows = [np.rint(part) for part in when]
    assert rows[1][0] - rows[0][-1] > window
    assert rows[2][0] - rows[1][-1] > window
    assert rows[2][-1] == 999


def _splits(loaded):
    return [
        split.astype(np.float64) * loaded.deviation + loaded.mean for split in (loaded.train, loaded.validation, loaded.test)
    ]


@pytest.mark.parametrize(("separator", "header"), [(";", "x;y;when"), ("\t", "x\ty\twhen"), (",", '"x", "y", when'), (",", "")])
def test_csv_may_be_written_in_several_ways(root, separator, header):
    save_csv(root / "other.csv", header=header, separator=separator)
    (root / "other.csv").write_bytes(b"\xef\xbb\xbf" + (root / "other.csv").read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    loaded = series.load("other.csv", root, window=20)
    assert loaded.columns == (("x", "y", "when") if header else ("1", "2", "3"))
    np.testing.assert_array_equal(loaded.test, series.load("named.csv", root, window=20).test)


def test_columns_are_chosen_by_name_in_the_order_asked_for(root):
    whole = series.load("named.csv", root, window=20)
    for name, columns in (("named.csv", ("when", "x")), ("array.npy", ("3", "1"))):
        loaded = series.load(name, root, window=20, columns=columns)
        assert loaded.columns == columns
        np.testing.assert_array_equal(loaded.train, whole.train[:, [2, 0]])


def test_text_such_as_dates_is_left_out(root):
    rows = "\n".join(f"2026-01-01 {number},{number % 7},{number}" for number in range(1000))
    (root / "dated.csv").write_text("date,load,number\n" + rows)
    assert series.load("dated.csv", root, window=20).columns == ("load", "number")


def test_digest_is_of_names_and_values(root):
    digest = series.load("named.csv", root, window=20).digest
    assert series.load("named.csv", root, window=30, digest=digest).digest == digest
    save_csv(root / "renamed.csv", header="x,y,z")
    save_csv(root / "changed.csv", values=np.vstack([VALUES[:-1], VALUES[-1:] + 1e-9]))
    assert len({digest, *(series.load(name, root, window=20).digest for name in ("renamed.csv", "changed.csv"))}) == 3


def test_file_that_changed_is_noticed(root):
    digest = series.load("named.csv", root, window=20).digest
    save_csv(root / "named.csv", values=VALUES[::-1])
    os.utime(root / "named.csv", ns=(1, 1))
    with pytest.raises(Invalid, match=r"the measurements have changed since the study was submitted: 'named\.csv'"):
        series.load("named.csv", root, window=20, digest=digest)


ENOUGH = "1,2\n" * 300
BAD_CSV = {
    "empty": ("", "has 0 bytes"),
    "names alone": ("a,b\n", "no line of values below its names"),
    "hole": ("a,b\n1,2\n3,\n" + ENOUGH, "line 3, column 'b' is empty; fill the hole"),
    "hole in the first line": ("a,b\n,2\n" + ENOUGH, "line 2, column 'a' is empty"),
    "not a number": ("a,b\n1,nan\n" + ENOUGH, "no finite number in line 2, column 'b'"),
    "infinity": ("a,b\n1,2\n-inf,2\n" + ENOUGH, "no finite number in line 3, column 'a'"),
    "word": ("a,b\n1,2\n1,n/a\n" + ENOUGH, "line 3, column 'b' holds 'n/a', which is no number"),
    "word first": ("a,b\n1,n/a\n" + ENOUGH, "column 'b' holds text in its first line and the number 2 in line 3"),
    "short line": ("a,b\n1,2\n1\n" + ENOUGH, "line 3 has 1 cells, the first line has 2"),
    "long line": ("a,b\n1,2\n1,2,3\n" + ENOUGH, "line 3 has 3 cells, the first line has 2"),
    "short first line": ("a,b\n1\n" + ENOUGH, "line 2 has 1 cells, the first line has 2"),
    "blank line": ("a,b\n1,2\n\n" + ENOUGH, "line 3 is empty"),
    "text alone": ("a,b\n" + "x,y\n" * 300, "no column of numbers"),
    "two columns of one name": ("a,a\n" + ENOUGH, "two columns called 'a'"),
    "too few rows": ("a,b\n" + "1,2\n" * 199, "has 199 rows; windows of 20 need at least 200"),
    "constant": ("a,b\n" + ENOUGH, "column 'a' never changes"),
    "too large": ("a,b\n1,1e200\n" + ENOUGH, "above 1e+30 in line 2, column 'b'"),
    "open quote": ('a,b\n1,"2\n' + ENOUGH, "is not CSV"),
    "binary": (b"\x89PNG\0\xff", "is not UTF-8 text"),
    "zero bytes": (b"a,b\n1,2\n1,2\0\n" + ENOUGH.encode(), "line 3, column 'b' holds"),
}


@pytest.mark.parametrize(("content", "words"), BAD_CSV.values(), ids=BAD_CSV)
def test_bad_csv_is_refused_with_line_and_column(tmp_path, content, words):
    (tmp_path / "bad.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Invalid) as raised:
        series.load("bad.csv", tmp_path, window=20)
    assert words in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def with_hole(value):
    values = VALUES.copy()
    values[12, 1] = value
    return values


BAD_NPY = {
    "hole": (with_hole(np.nan), "no finite number in row 13, column '2'"),
    "infinity": (with_hole(np.inf), "no finite number in row 13, column '2'"),
    "one dimension": (VALUES[:, 0], "holds float64 of shape (1000,); save one array of floats, (time, channels)"),
    "three dimensions": (VALUES[None], "of shape (1, 1000, 3)"),
    "complex": (VALUES.astype(np.complex128), "holds complex128"),
    "text": (VALUES.astype(str), "holds <U"),
    "objects": (VALUES.astype(object), "is no array that can be read without unpickling"),
    "no channels": (VALUES[:, :0], "has 0 columns"),
    "too few rows": (VALUES[:199], "has 199 rows; windows of 20 need at least 200"),
}


@pytest.mark.parametrize(("values", "words"), BAD_NPY.values(), ids=BAD_NPY)
def test_bad_array_is_refused(tmp_path, values, words):
    np.save(tmp_path / "bad.npy", values)
    with pytest.raises(Invalid) as raised:
        series.load("bad.npy", tmp_path, window=20)
    assert words in str(raised.value)


class Explosive:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_unpickled_and_cut_off_files_are_refused(root):
    whole = (root / "array.npy").read_bytes()
    np.savez(root / "archive.npz", VALUES)
    for content in (pickle.dumps(Explosive()), whole[:-1], whole[:50], b"text", (root / "archive.npz").read_bytes()):
        (root / "bad.npy").write_bytes(content)
        with pytest.raises(Invalid, match=r"'bad\.npy' (is no array|holds an archive)"):
            series.load("bad.npy", root, window=20)


@pytest.mark.parametrize("columns", [("absent",), (), ("x", "x")])
def test_columns_that_are_not_there_are_refused_with_those_that_are(root, columns):
    with pytest.raises(Invalid, match="there are x, y, when"):
        series.load("named.csv", root, window=20, columns=columns)


def test_files_of_other_kinds_and_places_are_refused(root):
    (root / "folder.csv").mkdir()
    (root / "a.txt").write_text("1\n2")
    for name in ("folder.csv", "a.txt"):
        with pytest.raises(Invalid, match=r"must be one file that ends in \.csv"):
            series.load(name, root, window=20)
    with pytest.raises(Invalid, match="no such file or folder below the data root"):
        series.load("../named.csv", root / "folder.csv", window=20)
    with pytest.raises(Invalid, match="no data root"):
        series.load("named.csv", None, window=20)


def test_file_that_is_too_large_is_refused_unread(root):
    for name, most in (("huge.csv", series.MAX_TEXT_BYTES), ("huge.npy", series.MAX_ARRAY_BYTES)):
        with (root / name).open("wb") as file:
            file.truncate(most + 1)
        with pytest.raises(Invalid, match=f"it needs between 1 and {most:,}"):
            series.load(name, root, window=20)
