"""What a family of captioners offers to the training task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trainer.caption_settings import CaptionConfig, CaptionModel
from trainer.errors import UserError

if TYPE_CHECKING:
    from trainer.caption_network import Captioner
    from trainer.caption_task import CaptionTask


def _anything(model: CaptionModel) -> None:
    """Accept all settings."""


@dataclass(frozen=True)
class CaptionFamily:
    """A captioner's class and what it asks of its settings."""

    name: str
    network: type[Captioner]
    check: Callable[[CaptionModel], None] = _anything
    """Raises UserError for settings that the family cannot work with."""

    config: ClassVar = CaptionConfig
    """Settings that its training takes."""

    def build(self, config: CaptionConfig, words: int) -> Captioner:
        """Build the network for a vocabulary of `words` tokens, the reserved ones included.

        Raises:
          UserError: The settings do not fit together.
        """
        from trainer import caption_network, encoders
        from trainer.preprocessing import SPECIAL

        self.check(config.model)
        if config.model.beam_width > words - len(SPECIAL):
            raise UserError(
                f"model.beam_width is {config.model.beam_width} and the vocabulary has "
                f"{words - len(SPECIAL)} words: a beam cannot be wider"
            )
        network = self.network(
            config.model,
            encoders.build(config.model),
            words,
            config.data.length - 1,
            config.train.dropout,
        )
        return caption_network.build(network)

    def task(self, config: CaptionConfig, fn_args: Any) -> CaptionTask:
        """Read data and vocabulary, build the network and what trains it."""
        from trainer.caption_task import CaptionTask

        return CaptionTask.read(config, self, fn_args)
