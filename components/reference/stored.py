"""Reference statistics as files: written once, read by every evaluation on the same data."""

from __future__ import annotations

import dataclasses
import json
import posixpath
import zipfile
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from components.evaluator import parts
from components.metrics.evidence import Distances, FeatureSet, Score
from components.metrics.moments import Moments
from components.reference.settings import ReferenceSettings
from trainer.errors import UserError

FILE = "reference.json"
DISTANCES = "distances"
AGAIN = "make them anew: run from ReferenceStatistics on, or without --from"


@dataclasses.dataclass(frozen=True)
class Reference:
    """What is known about the real data before a model is asked.

    Attributes:
      settings: What was measured.
      extractor: Fingerprint of the extractor.
      data: Fingerprint of the examples.
      image_shape: (height, width, channels).
      held_out: Features of the reference split.
      train: Features of the split that models learn from.
      distances: Distances among the images of both splits.
      floor: The real data's own scores by full name: no generator should be expected to do better.
    """

    settings: ReferenceSettings
    extractor: str
    data: str
    image_shape: tuple[int, ...]
    held_out: FeatureSet
    train: FeatureSet
    distances: Distances
    floor: Mapping[str, Score]

    def check(self, settings: ReferenceSettings, extractor: str, data: str) -> None:
        """Compare with what an evaluation is about.

        Raises:
          UserError: They are of other data, another extractor or another count.
        """
        ours = {"data": self.data, "weights of the extractor": self.extractor}
        theirs = {"data": data, "weights of the extractor": extractor}
        for name in ("extractor", "samples", "reference_split", "comparison_split"):
            ours[name], theirs[name] = getattr(self.settings, name), getattr(settings, name)
        other = [
            f"{name} {ours[name]}, not {theirs[name]}"
            for name in ours
            if ours[name] != theirs[name]
        ]
        if other:
            raise UserError(f"the reference statistics are of {'; '.join(other)}; {AGAIN}")


def write(reference: Reference, folder: str) -> None:
    """Write the files of an artifact, the JSON last."""
    settings = reference.settings
    for split, features in (
        (settings.reference_split, reference.held_out),
        (settings.comparison_split, reference.train),
    ):
        parts.write(
            folder,
            f"split-{split}",
            **{key: getattr(features, key) for key in parts.ROWS},
            group_n=np.array([group.n for group in features.groups]),
            group_mean=np.stack([group.mean for group in features.groups]),
            group_m2=np.stack([group.m2 for group in features.groups]),
        )
    distances = reference.distances
    parts.write(folder, DISTANCES, to_train=distances.to_train, radii=distances.radii)
    about = {
        "settings": settings.model_dump(),
        "extractor_fingerprint": reference.extractor,
        "data_fingerprint": reference.data,
        "image_shape": reference.image_shape,
        "scores": {name: dataclasses.asdict(score) for name, score in reference.floor.items()},
    }
    with tf.io.gfile.GFile(posixpath.join(folder, FILE), "w") as file:
        file.write(json.dumps(about, indent=2) + "\n")


def read(folder: str) -> Reference:
    """Read what `write` wrote.

    Raises:
      UserError: It is not there or damaged.
    """
    try:
        with tf.io.gfile.GFile(posixpath.join(folder, FILE)) as file:
            about = json.load(file)
        settings = ReferenceSettings(**about["settings"])
        extractor = about["extractor_fingerprint"]
        return Reference(
            settings=settings,
            extractor=extractor,
            data=about["data_fingerprint"],
            image_shape=tuple(about["image_shape"]),
            held_out=_features(folder, settings.reference_split, extractor),
            train=_features(folder, settings.comparison_split, extractor),
            distances=Distances(**_read(folder, DISTANCES)),
            floor={name: Score(**score) for name, score in about["scores"].items()},
        )
    except (
        tf.errors.OpError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"the reference statistics in '{folder}' cannot be read ({error}); {AGAIN}"
        ) from error


def _read(folder: str, name: str) -> dict[str, np.ndarray]:
    return parts.read(posixpath.join(folder, f"{name}.npz"))


def _features(folder: str, split: str, extractor: str) -> FeatureSet:
    found = _read(folder, f"split-{split}")
    groups = zip(found["group_n"], found["group_mean"], found["group_m2"], strict=True)
    return FeatureSet(
        **{key: found[key] for key in parts.ROWS},
        groups=tuple(Moments(int(n), mean, m2) for n, mean, m2 in groups),
        extractor=extractor,
    )
