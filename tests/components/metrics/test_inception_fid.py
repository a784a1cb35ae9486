r"""The Inception extractor against pytorch-fid itself, the same random weights in both.

It needs the extra `torch`, which no lock file has; without it the test is skipped:

    .venv/bin/uv pip install --python .venv/bin/python --override requirements.overrides \
      --constraint requirements.lock -e ".[torch]"
    .venv/bin/pytest -m torch
"""

import numpy as np
import pytest

from components.metrics import extractors
from components.metrics.frechet import frechet_distance
from components.metrics.moments import Moments

torch = pytest.importorskip("torch", reason="needs the extra 'torch'")
inception = pytest.importorskip("pytorch_fid.inception", reason="needs the extra 'torch'")
fid_score = pytest.importorskip("pytorch_fid.fid_score", reason="needs the extra 'torch'")
torchvision = pytest.importorskip("torchvision", reason="needs the extra 'torch'")

pytestmark = [pytest.mark.slow, pytest.mark.torch]


@pytest.fixture(scope="module")
def images():
    """uint8[64,24,20,3]: smooth random pictures, one half brighter than the other."""
    drawn = np.random.default_rng(0).random((64, 6, 5, 3))
    grown = drawn.repeat(4, axis=1).repeat(4, axis=2)
    grown[32:] = 0.3 + 0.7 * grown[32:]
    return (255 * grown).astype(np.uint8)


@pytest.fixture(scope="module")
def theirs(images, tmp_path_factory):
    """Their network in evaluation mode, and its weights in a file of the published form."""
    torch.manual_seed(0)
    plain = torchvision.models.inception_v3(
        num_classes=1008, aux_logits=False, weights=None, init_weights=False
    )
    for layer in plain.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, torch.nn.BatchNorm2d):
            # Gains below 1 and few dead units: with larger ones their own float32 features are
            # 3e-4 off their float64 ones, and there would be nothing to compare with.
            torch.nn.init.uniform_(layer.weight, 0.4, 0.8)
            torch.nn.init.normal_(layer.bias, 0.2, 0.2)
            layer.momentum = None  # running statistics: the plain mean, here of one batch
    plain.transform_input = False
    with torch.no_grad():
        # Random networks need statistics that fit, or their features vanish or explode.
        plain.train()(torch.nn.functional.interpolate(_floats(images[24:40]), (299, 299)) * 2 - 1)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(plain.state_dict(), path, _use_new_zipfile_serialization=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(path))
        return inception.InceptionV3([3]).eval(), path


@pytest.fixture(scope="module")
def both(images, theirs):
    """Features of all images, theirs and ours: float[64,2048] each."""
    network, path = theirs
    with torch.no_grad():
        want = network(_floats(images))[0][:, :, 0, 0].numpy()
    ours = extractors.load(f"inception:{path}")
    parts = [ours(images[i : i + 24]) for i in range(0, len(images), 24)]
    assert parts[0][1].shape == (24, 1008) and np.allclose(parts[0][1].sum(axis=1), 1, atol=1e-5)
    return want, np.concatenate([features for features, _ in parts])


def _floats(images):
    return torch.tensor(images.transpose(0, 3, 1, 2) / 255, dtype=torch.float32)


def test_features_are_theirs(both):
    want, got = both
    assert want.std() > 0.1, "the comparison would show nothing"
    assert np.abs(got - want).max() < 1e-4


def test_distance_is_theirs(both):
    """On 24 of the 2,048 features: 32 images have a covariance of full rank there."""
    want, got = (features[:, ::86] for features in both)
    a, b = Moments.of(got[:32]), Moments.of(got[32:])
    theirs = fid_score.calculate_frechet_distance(
        want[:32].mean(axis=0),
        np.cov(want[:32], rowvar=False),
        want[32:].mean(axis=0),
        np.cov(want[32:], rowvar=False),
    )
    assert theirs > 0.01
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-3)


def test_grey_images_count_as_colour_images(images, theirs):
    ours = extractors.load(f"inception:{theirs[1]}")
    grey = images[:2, :, :, :1]
    np.testing.assert_array_equal(ours(grey)[0], ours(grey.repeat(3, axis=3))[0])
