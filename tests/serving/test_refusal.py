"""What is told of a refused image: the model's own words, not the graph's."""

from __future__ import annotations

import pytest

from serving import refusal

ASSERTED = (
    "Graph execution error:\n\nDetected at node Assert_1/Assert defined at (most recent call "
    "last):\n<stack traces unavailable>\nassertion failed: [image 0 of 1 is empty]\n"
    "\t [[{{node Assert_1/Assert}}]] [Op:__inference_signature_wrapper_8563]"
)
DECODED = (
    "{{function_node __inference_f_7}} Unknown image file format. One of JPEG, PNG required.\n"
    "\t [[{{node decode_image/DecodeImage}}]] [Op:__inference_f_7]"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ASSERTED, "is empty"),
        (
            "image 0 is 5000x5000 pixels; this server allows 4096 along a side (model 'scenes')",
            "is 5000x5000 pixels; this server allows 4096 along a side",
        ),
        (
            "image 0: Image size (9 pixels) exceeds limit (model 'm')",
            "Image size (9 pixels)",
        ),
        (DECODED, None),
    ],
)
def test_what_is_said_of_the_image(text: str, said: str | None) -> None:
    found = refusal.about_image(text)
    assert found is None if said is None else found.startswith(said)
    assert "(model" not in (found or "")


def test_the_words_of_an_operation() -> None:
    assert refusal.words(DECODED) == "Unknown image file format. One of JPEG, PNG required."
    assert refusal.words(ASSERTED) == "assertion failed: [image 0 of 1 is empty]"
    assert refusal.words("No such file\nor directory") == "No such file or directory"
    assert refusal.words("[Op:X]") == "[Op:X]"
