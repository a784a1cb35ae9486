"""The table of metrics: one pure function and one line here make a new one.

Nothing heavy is imported before a metric is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple

from trainer.errors import unknown_name


class Metric(NamedTuple):
    """One line of the table.

    Attributes:
      path: "module:function"; the function takes an `Evidence` (`CaptionEvidence` for captions,
        `ValueEvidence` for numbers) and returns a `Score`, or None where the metric does not apply
        to this model or data.
      better: "lower" or "higher".
      protocol: The figure's scale belongs to the extractor and its bias to the sample count, so
        the reported name carries both: `fid` becomes `fid_digits-cnn_2k`.
      meaning: One line for the report.
      task: "image", "caption" or "value" (single numbers): what the model makes.
    """

    path: str
    better: str
    protocol: bool
    meaning: str
    task: str = "image"


_HERE = "components.metrics"


def _caption(function: str, better: str, meaning: str) -> Metric:
    return Metric(f"{_HERE}.caption_{function}", better, False, meaning, "caption")


def _value(function: str, meaning: str) -> Metric:
    return Metric(f"{_HERE}.values:{function}", "lower", False, meaning, "value")


METRICS: dict[str, Metric] = {
    "fid": Metric(
        f"{_HERE}.frechet:fid",
        "lower",
        True,
        "Fréchet distance of features to held-out data; lower is better",
    ),
    "kid": Metric(
        f"{_HERE}.kernel:kid",
        "lower",
        True,
        "kernel distance to held-out data, unbiased; lower is better",
    ),
    "intra_class_fid": Metric(
        f"{_HERE}.frechet:intra_class_fid",
        "lower",
        True,
        "Fréchet distance, mean over classes; lower is better",
    ),
    "inception_score": Metric(
        f"{_HERE}.labels:inception_score",
        "higher",
        True,
        "classes recognisable and varied; higher is better",
    ),
    "precision": Metric(
        f"{_HERE}.coverage:precision",
        "higher",
        False,
        "share of samples that look real; higher is better",
    ),
    "recall": Metric(
        f"{_HERE}.coverage:recall",
        "higher",
        False,
        "share of real data that samples reach; higher is better",
    ),
    "label_accuracy": Metric(
        f"{_HERE}.labels:label_accuracy",
        "higher",
        False,
        "recognised as the class asked for; higher is better",
    ),
    "class_balance": Metric(
        f"{_HERE}.labels:class_balance",
        "higher",
        False,
        "rarest class, share over expected; higher is better",
    ),
    "distinct_share": Metric(
        f"{_HERE}.memory:distinct_share",
        "higher",
        False,
        "different images among samples; higher is better",
    ),
    "nearest_train_distance": Metric(
        f"{_HERE}.memory:nearest_train_distance",
        "higher",
        False,
        "distance to the nearest training image; 1 as held-out data, 0 a copy",
    ),
    "copied_share": Metric(
        f"{_HERE}.memory:copied_share",
        "lower",
        False,
        "samples nearer to training data than 99 % of held-out data; lower is better",
    ),
    "token_loss": _caption(
        "loss:token_loss",
        "lower",
        "nats per word of the true captions, end included; lower is better",
    ),
    "perplexity": _caption(
        "loss:perplexity", "lower", "as unsure as between this many words; lower is better"
    ),
    "image_dependence": _caption(
        "loss:image_dependence",
        "lower",
        "token loss with the right image minus with foreign ones; 0: the image is ignored",
    ),
    "cider_d": _caption(
        "cider:cider_d",
        "higher",
        "rare n-grams shared with the references, 0 to 10; higher is better",
    ),
    "bleu_4": _caption(
        "ngrams:bleu_4",
        "higher",
        "runs of up to four words found in the references; higher is better",
    ),
    "bleu_3": _caption(
        "ngrams:bleu_3",
        "higher",
        "runs of up to three words found in the references; higher is better",
    ),
    "bleu_2": _caption(
        "ngrams:bleu_2",
        "higher",
        "runs of up to two words found in the references; higher is better",
    ),
    "bleu_1": _caption(
        "ngrams:bleu_1",
        "higher",
        "words found in the references; a constant caption does well here",
    ),
    "rouge_l": _caption(
        "rouge:rouge_l", "higher", "words in the order of the references; higher is better"
    ),
    "true_facts": _caption(
        "facts:true_facts", "higher", "stated facts that are true; higher is better"
    ),
    "true_objects": _caption(
        "facts:true_objects",
        "higher",
        "of facts about what is there and how many; higher is better",
    ),
    "true_colours": _caption(
        "facts:true_colours", "higher", "of facts that name a colour; higher is better"
    ),
    "true_relations": _caption(
        "facts:true_relations", "higher", "of facts that say where; higher is better"
    ),
    "distinct_1": _caption(
        "variety:distinct_1", "higher", "different words among all words; higher is better"
    ),
    "distinct_2": _caption(
        "variety:distinct_2", "higher", "different pairs of words among all pairs; higher is better"
    ),
    "novel_share": _caption(
        "variety:novel_share",
        "higher",
        "captions that are not in the training set; higher is better",
    ),
    "mean_error": _value(
        "mean_error", "distance of the means, in the data's standard deviations; lower is better"
    ),
    "deviation_error": _value(
        "deviation_error", "how far the ratio of standard deviations is from 1; lower is better"
    ),
    "wasserstein": _value(
        "wasserstein", "how far numbers must be moved, in standard deviations; lower is better"
    ),
    "kolmogorov_smirnov": _value(
        "kolmogorov_smirnov", "largest gap between the distribution functions; lower is better"
    ),
}


def of_task(task: str) -> list[str]:
    """Return the names of a task's metrics in the order of the table."""
    return [name for name, metric in METRICS.items() if metric.task == task]


def get(name: str) -> Callable:
    """Return a metric's function.

    Raises:
      UserError: No metric has this name.
    """
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    module, _, function = METRICS[name].path.partition(":")
    return getattr(importlib.import_module(module), function)


def full_name(name: str, extractor: str, samples: int) -> str:
    """Name a figure by its protocol: ("fid", "digits-cnn", 2000) -> "fid_digits-cnn_2k"."""
    return f"{name}_{extractor}_{short_count(samples)}" if METRICS[name].protocol else name


def base_name(name: str) -> str | None:
    """Return the line of the table that a full name belongs to; None if there is none."""
    found = [base for base in METRICS if name == base or name.startswith(f"{base}_")]
    return max(found, key=len, default=None)


def short_count(count: int) -> str:
    """Write 2000 as "2k" and 1297 as "1297"."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)
