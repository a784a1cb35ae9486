"""One's own captioned images: a folder in COCO's format, images beside captions_<split>.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets.public_api as tfds

from components.datasets.base import DatasetSpec, Source
from components.datasets.own_folder import FREE_SHAPE, FolderSpec
from trainer.errors import UserError
from trainer.progress import Progress

PREFIX = "captions_"


@dataclasses.dataclass(frozen=True)
class CocoFolderSpec(FolderSpec):
    """Splits are named by the annotation files, in the folder itself or in annotations/."""

    def resolve(self, source: Source) -> DatasetSpec:
        """See `DatasetSpec.resolve`."""
        resolved = super().resolve(source)
        tables = {split: _read(file) for split, file in _files(resolved).items()}
        if not tables:
            raise UserError(
                f"data.folder: no {PREFIX}<split>.json in '{resolved.source.folder}'; put one "
                "per split there, for example captions_train.json"
            )
        return dataclasses.replace(resolved, splits={k: len(v) for k, v in tables.items()})


SPEC = CocoFolderSpec(
    name="coco_folder",
    builder="components.datasets.coco_folder:CocoFolder",
    version="1.0.0",
    image_shape=FREE_SHAPE,
    splits={},
    licence="your own",
    origin="data.folder holds captions_<split>.json and images; stored as records on first use",
    bundled=True,
    captions_feature="captions",
    id_feature="id",
    takes=("folder", "image_shape"),
)


@dataclasses.dataclass
class CocoFolderConfig(tfds.core.BuilderConfig):
    """The folder, resolved."""

    spec: DatasetSpec = SPEC


class CocoFolder(tfds.core.GeneratorBasedBuilder):
    """Every image that the JSON knows is a record; one that is missing is an empty image."""

    name = "coco_folder"
    VERSION = tfds.core.Version(SPEC.version)
    RELEASE_NOTES = {"1.0.0": "First version."}

    @staticmethod
    def config_of(spec: DatasetSpec) -> CocoFolderConfig:
        """Turn what the recipe says into TFDS's configuration."""
        return CocoFolderConfig(name=spec.config or "unresolved", spec=spec)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Captioned images of one's own, in COCO's format.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=self.builder_config.spec.image_shape),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        files = _files(self.builder_config.spec)
        return {split: self._generate_examples(split, file) for split, file in files.items()}

    def _generate_examples(self, split: str, file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        root, table = Path(self.builder_config.spec.source.folder), _read(file)
        with Progress(f"reading images ({split})", len(table), "images") as progress:
            for identity, (name, captions) in table.items():
                yield (
                    identity,
                    {
                        "id": f"{split}/{identity}",
                        "image": _image(root, split, name),
                        "captions": captions,
                    },
                )
                progress.update()


def _files(spec: DatasetSpec) -> dict[str, Path]:
    root = Path(str(spec.source.folder))
    found = [*root.glob(f"{PREFIX}*.json"), *root.glob(f"annotations/{PREFIX}*.json")]
    return {path.stem.removeprefix(PREFIX): path for path in sorted(found)}


def _read(file: Path) -> dict[str, tuple[str, list[bytes]]]:
    """Read one annotation file.

    Returns:
      Image id -> (file name, captions), sorted by id. A caption's image that the file does not
      list has an empty name. Bytes that are no UTF-8 stay as they are: the data check names them.

    Raises:
      UserError: No JSON, or not in COCO's format.
    """
    try:
        content = json.loads(file.read_bytes().decode(errors="surrogateescape"))
        table: dict[Any, tuple[str, list[bytes]]] = {
            image["id"]: (str(image["file_name"]), []) for image in content["images"]
        }
        for row in content["annotations"]:
            _, captions = table.setdefault(row["image_id"], ("", []))
            captions.append(row["caption"].encode(errors="surrogateescape"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"data.folder: '{file}' is not in COCO's caption format ({type(error).__name__}: "
            f"{error}); it needs images (id, file_name) and annotations (image_id, caption)"
        ) from None
    return {str(key): table[key] for key in sorted(table, key=str)}


def _image(root: Path, split: str, name: str) -> bytes:
    """Read an image from where COCO's users put them: images/, <split>/ or the folder itself."""
    if name:
        for folder in (root / "images", root / split, root / "images" / split, root):
            path = (folder / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                return path.read_bytes()
    return b""
