"""One's own labelled images: a folder in the layout of `tfds.ImageFolder`, split/label/image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets.public_api as tfds

from components.datasets.base import DatasetSpec, Source
from components.datasets.own_folder import FREE_SHAPE, FolderSpec, list_files
from trainer.errors import UserError
from trainer.progress import Progress


@dataclasses.dataclass(frozen=True)
class ImageFolderSpec(FolderSpec):
    """Splits and label names are the names of the subfolders."""

    def resolve(self, source: Source) -> DatasetSpec:
        """See `DatasetSpec.resolve`."""
        resolved = super().resolve(source)
        files = list_files(Path(str(resolved.source.folder)))
        misplaced = [name for name in files if name.count("/") != 2]
        if misplaced:
            raise UserError(
                f"data.folder: '{misplaced[0]}' is not in a subfolder split/label/ of "
                f"'{resolved.source.folder}'; move it, for example to train/cat/{misplaced[0]}"
            )
        parts = [name.split("/") for name in files]
        splits = {split: sum(part[0] == split for part in parts) for split, *_ in parts}
        labels = tuple(sorted({part[1] for part in parts}))
        return dataclasses.replace(resolved, splits=splits, label_names=labels)


SPEC = ImageFolderSpec(
    name="image_folder",
    builder="components.datasets.image_folder:ImageFolder",
    version="1.0.0",
    image_shape=FREE_SHAPE,
    splits={},
    licence="your own",
    origin="data.folder holds split/label/image files (PNG, JPEG); stored as records on first use",
    bundled=True,
    id_feature="id",
    takes=("folder", "image_shape"),
)


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
    """The folder, resolved."""

    spec: DatasetSpec = SPEC


class ImageFolder(tfds.core.GeneratorBasedBuilder):
    """Every file that is not hidden is a record, its bytes as they are: the data check judges."""

    name = "image_folder"
    VERSION = tfds.core.Version(SPEC.version)
    RELEASE_NOTES = {"1.0.0": "First version."}

    @staticmethod
    def config_of(spec: DatasetSpec) -> FolderConfig:
        """Turn what the recipe says into TFDS's configuration."""
        return FolderConfig(name=spec.config or "unresolved", spec=spec)

    def _info(self) -> tfds.core.DatasetInfo:
        spec = self.builder_config.spec
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images of one's own, sorted into folders by label.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=spec.image_shape),
                    "label": tfds.features.ClassLabel(names=list(spec.label_names)),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        spec = self.builder_config.spec
        files = list_files(Path(spec.source.folder))
        return {
            split: self._generate_examples(
                {name: path for name, path in files.items() if name.split("/")[0] == split}
            )
            for split in spec.splits
        }

    def _generate_examples(self, files: dict[str, Path]) -> Iterator[tuple[str, dict[str, Any]]]:
        with Progress("reading images", len(files), "images") as progress:
            for name, path in files.items():
                label = name.split("/")[1]
                yield name, {"id": name, "image": path.read_bytes(), "label": label}
                progress.update()
