"""The tokenizer against what the COCO evaluation's PTBTokenizer makes of the same captions."""

import pytest

from components.metrics.caption_tokens import tokenize

PTB = {
    "A man's dog doesn't bark.": "a man 's dog does n't bark",
    "It's 8:25 p.m. (at night) ...": "it 's 8:25 p.m. -lrb- at night -rrb-",
    "don\u2019t": "do n't",
    "a t-shirt & 5% of $10": "a t-shirt & 5 % of $ 10",
    "black/white stripes": "black/white stripes",
    "Mr. Smith vs. Dr. Jones": "mr. smith vs. dr. jones",
    "the dogs' bowl": "the dogs bowl",
    "cannot gonna wanna gotta": "can not gon na wan na got ta",
    "1,000 people 3.5 miles": "1,000 people 3.5 miles",
    "a 1960's car": "a 1960 's car",
    "co-worker -- and more - or": "co-worker and more or",
    "I'm you're we've he'll they'd": "i 'm you 're we 've he 'll they 'd",
    "50-50 half-eaten 7-up 3-D 4x4 2nd": "50-50 half-eaten 7-up 3-d 4x4 2nd",
    "caf\u00e9 cr\u00e8me": "caf\u00e9 cr\u00e8me",
    "man,dog;cat:bird": "man dog cat bird",
    "[brackets] {curly}": "-lsb- brackets -rsb- -lcb- curly -rcb-",
    '"quoted" `words` #1': "quoted words # 1",
    "  two   spaces \n newline ": "two spaces newline",
    "o'clock": "o'clock",
    " . , ! ": "",
}


@pytest.mark.parametrize("caption", PTB)
def test_words_are_those_of_the_penn_treebank(caption):
    assert tokenize(caption) == PTB[caption]


def test_words_once_cut_stay_as_they_are():
    for words in PTB.values():
        assert tokenize(words) == words
