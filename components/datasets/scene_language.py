"""The language of the `scenes` data set: true captions of a scene, and facts read from a caption.

The grammar, after lower-casing and without punctuation (square brackets: may be left out):

    caption  = thing {"and" thing} | ["there is"] thing place | "there is" thing
             | thing "is" relation thing | ("there is" | "there are") number noun
    thing    = "a" noun
    noun     = [size] [colour] (kind | "shape")

Places and relations are those of the 3x3 grid that the shapes sit on.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from components.datasets.scene_world import COLOURS, KINDS, RADII, Scene, Shape

CAPTIONS = 5
"""Captions per image."""

NUMBERS = ("one", "two", "three")
PLACES = {
    (0, 0): "at the top left",
    (0, 1): "at the top",
    (0, 2): "at the top right",
    (1, 0): "on the left",
    (1, 1): "in the middle",
    (1, 2): "on the right",
    (2, 0): "at the bottom left",
    (2, 1): "at the bottom",
    (2, 2): "at the bottom right",
}
RELATIONS: dict[str, Callable[[Shape, Shape], bool]] = {
    "left of": lambda first, second: first.column < second.column,
    "right of": lambda first, second: first.column > second.column,
    "above": lambda first, second: first.row < second.row,
    "below": lambda first, second: first.row > second.row,
}


class Fact(Protocol):
    """Something that a caption claims."""

    def holds(self, scene: Scene) -> bool:
        """Tell whether the claim is true of a scene."""
        ...


@dataclasses.dataclass(frozen=True)
class Noun:
    """What is said about a shape; None says nothing about it."""

    size: str | None = None
    colour: str | None = None
    kind: str | None = None

    def fits(self, shape: Shape) -> bool:
        """Tell whether everything said is true of a shape."""
        said = ((self.size, shape.size), (self.colour, shape.colour), (self.kind, shape.kind))
        return all(word is None or word == truth for word, truth in said)

    def words(self, plural: bool = False) -> str:
        """Write the noun, for example "small red circle"."""
        kind = self.kind or "shape"
        ending = "" if not plural else "es" if kind.endswith("s") else "s"
        return " ".join(w for w in (self.size, self.colour, kind + ending) if w)


@dataclasses.dataclass(frozen=True)
class Present:
    """There is such a shape, at that place if one is given."""

    noun: Noun
    place: str | None = None

    def holds(self, scene: Scene) -> bool:
        """See `Fact`."""
        return any(
            self.noun.fits(shape)
            and (self.place is None or PLACES[shape.row, shape.column] == self.place)
            for shape in scene.shapes
        )


@dataclasses.dataclass(frozen=True)
class Counted:
    """There are exactly this many such shapes."""

    noun: Noun
    number: int

    def holds(self, scene: Scene) -> bool:
        """See `Fact`."""
        return sum(map(self.noun.fits, scene.shapes)) == self.number


@dataclasses.dataclass(frozen=True)
class Together:
    """There is a different shape for each of these nouns."""

    nouns: tuple[Noun, ...]

    def holds(self, scene: Scene) -> bool:
        """See `Fact`."""
        return any(
            all(noun.fits(shape) for noun, shape in zip(self.nouns, chosen, strict=True))
            for chosen in itertools.permutations(scene.shapes, len(self.nouns))
        )


@dataclasses.dataclass(frozen=True)
class Related:
    """Some shape of the first kind stands so to another one of the second kind."""

    first: Noun
    relation: str
    second: Noun

    def holds(self, scene: Scene) -> bool:
        """See `Fact`."""
        return any(
            self.first.fits(a) and self.second.fits(b) and RELATIONS[self.relation](a, b)
            for a, b in itertools.permutations(scene.shapes, 2)
        )


def parse(caption: str) -> tuple[Fact, ...]:
    """Read the facts that a caption claims.

    Args:
      caption: A sentence; case and punctuation do not matter.

    Returns:
      The facts, weaker ones first: a sentence about two shapes also claims that each is there.
      Empty for a sentence outside the grammar.
    """
    text = " ".join(re.sub(r"[^a-z ]", " ", caption.lower()).split())
    if found := _COUNT.fullmatch(text):
        return (Counted(_noun(found["noun"]), NUMBERS.index(found["number"]) + 1),)
    if found := _RELATION.fullmatch(text):
        first, second = _noun(found["first"]), _noun(found["second"])
        return Present(first), Present(second), Related(first, found["relation"], second)
    if found := _PLACE.fullmatch(text):
        noun = _noun(found["noun"])
        return (
            (Present(noun), Present(noun, found["place"])) if found["place"] else (Present(noun),)
        )
    if _LIST.fullmatch(text):
        nouns = tuple(_noun(part.removeprefix("a ")) for part in text.split(" and "))
        return (*map(Present, nouns), Together(nouns))
    return ()


def judge(caption: str, scene: Scene) -> tuple[tuple[Fact, bool], ...]:
    """Say of every fact in a caption whether it is true of a scene; empty if there is none."""
    return tuple((fact, fact.holds(scene)) for fact in parse(caption))


def describe(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Write five different captions that are true of a scene.

    Args:
      scene: What to describe.
      rng: Source of randomness; the captions are a pure function of scene and state.

    Returns:
      One caption of every form that the scene allows, filled up to five with further ones.
    """
    forms = [list(dict.fromkeys(form(scene))) for form in _FORMS]
    chosen = [str(rng.choice(form)) for form in forms if form]
    left = sorted({caption for form in forms for caption in form} - set(chosen))
    missing = CAPTIONS - len(chosen)
    if missing > 0:
        chosen += rng.choice(left, size=missing, replace=False).tolist()
    return chosen[:CAPTIONS]


def _nouns(shape: Shape) -> Iterator[Noun]:
    """Ways to speak of a shape, each naming its kind or its colour."""
    yield Noun(shape.size, shape.colour, shape.kind)
    yield Noun(None, shape.colour, shape.kind)
    yield Noun(shape.size, None, shape.kind)


def _lists(scene: Scene) -> Iterator[str]:
    for chosen in itertools.product(*(list(_nouns(shape))[:2] for shape in scene.shapes)):
        yield " and ".join(f"a {noun.words()}" for noun in chosen)


def _counts(scene: Scene) -> Iterator[str]:
    for noun in (Noun(), *(Noun(kind=s.kind) for s in scene.shapes)):
        number = sum(map(noun.fits, scene.shapes))
        verb = "is" if number == 1 else "are"
        yield f"there {verb} {NUMBERS[number - 1]} {noun.words(plural=number > 1)}"


def _colour_counts(scene: Scene) -> Iterator[str]:
    for noun in (Noun(colour=shape.colour) for shape in scene.shapes):
        number = sum(map(noun.fits, scene.shapes))
        verb = "is" if number == 1 else "are"
        yield f"there {verb} {NUMBERS[number - 1]} {noun.words(plural=number > 1)}"


def _places(scene: Scene) -> Iterator[str]:
    for shape in scene.shapes:
        place = PLACES[shape.row, shape.column]
        for noun in _nouns(shape):
            yield f"there is a {noun.words()} {place}"
            yield f"a {noun.words()} {place}"


def _relations(scene: Scene) -> Iterator[str]:
    for first, second in itertools.permutations(scene.shapes, 2):
        for words, holds in RELATIONS.items():
            if holds(first, second):
                for one, other in itertools.product(_nouns(first), _nouns(second)):
                    yield f"a {one.words()} is {words} a {other.words()}"


_FORMS = (_lists, _counts, _colour_counts, _places, _relations)


def _noun(text: str) -> Noun:
    found = _NOUN.fullmatch(text)
    assert found, text
    kind = found["kind"]
    return Noun(found["size"], found["colour"], None if kind == "shape" else kind)


def _choice(words: object) -> str:
    return "|".join(map(str, words))  # type: ignore[call-overload]


_NOUN_TEXT = (
    rf"(?:(?:{_choice(RADII)}) )?(?:(?:{_choice(COLOURS)}) )?(?:{_choice(KINDS)}|shape)(?:e?s)?"
)
_NOUN = re.compile(
    rf"(?:(?P<size>{_choice(RADII)}) )?(?:(?P<colour>{_choice(COLOURS)}) )?"
    rf"(?P<kind>{_choice(KINDS)}|shape)(?:e?s)?"
)
_COUNT = re.compile(rf"there (?:is|are) (?P<number>{_choice(NUMBERS)}) (?P<noun>{_NOUN_TEXT})")
_RELATION = re.compile(
    rf"a (?P<first>{_NOUN_TEXT}) is (?P<relation>{_choice(RELATIONS)}) a (?P<second>{_NOUN_TEXT})"
)
_PLACE = re.compile(
    rf"(?:there is )?a (?P<noun>{_NOUN_TEXT})(?: (?P<place>{_choice(PLACES.values())}))?"
)
_LIST = re.compile(rf"a {_NOUN_TEXT}(?: and a {_NOUN_TEXT})+")
