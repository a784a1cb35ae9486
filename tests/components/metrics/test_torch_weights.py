"""Tensor files of both forms, as PyTorch 2.13 wrote them; and files that are something else."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from components.metrics import extractors
from components.metrics.torch_weights import read
from trainer.errors import UserError

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("form", ["zip", "row"])
def test_tensors_are_what_was_saved(form):
    found = read((DATA / f"tensors_{form}.pth").read_bytes())
    assert list(found) == ["turned", "half", "count", "tail", "p"]
    np.testing.assert_array_equal(found["turned"], np.arange(6, dtype=np.float32).reshape(2, 3).T)
    np.testing.assert_array_equal(found["half"], np.array([0.5, -2], np.float16))
    assert found["count"].shape == () and found["count"] == 7
    np.testing.assert_array_equal(found["tail"], [7.0, 8.0, 9.0])
    assert found["p"].tolist() == [1, 1] and found["turned"].dtype == np.float32


class Evil:
    def __reduce__(self):
        return print, ("called",)


def archive(payload):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", payload)
    return buffer.getvalue()


@pytest.mark.parametrize("wrap", [archive, bytes])
def test_nothing_in_a_file_is_called(wrap, capsys):
    with pytest.raises(ValueError, match=r"builtins.print, which is no tensor"):
        read(wrap(pickle.dumps({"a": Evil()})))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", ["zip", "row"])
@pytest.mark.parametrize("keep", [0, 1, 100, 500, -40])
def test_a_torn_file_is_named(form, keep):
    content = (DATA / f"tensors_{form}.pth").read_bytes()
    with pytest.raises(ValueError):
        read(content[:keep])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no pickle", "cannot be used"),
        (archive(pickle.dumps({})), "fc.weight"),
        ((DATA / "tensors_row.pth").read_bytes(), "fc.weight"),
    ],
)
def test_wrong_inception_weights_are_named(content, words, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        extractors.load(f"inception:{path}")
    assert "pytorch-fid publishes" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_inception_weights_are_named(tmp_path):
    with pytest.raises(UserError, match="pytorch-fid publishes"):
        extractors.load(f"inception:{tmp_path}/gone.pth")
