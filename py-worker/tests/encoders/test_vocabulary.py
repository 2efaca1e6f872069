import numpy as np
import pytest

from cmcr_worker.encoders.builtin.vocabulary import MAX_WORDS, PADDING, UNKNOWN, Vocabulary, words_of
from cmcr_worker.errors import WorkerError


def test_words_are_runs_of_letters_and_digits() -> None:
    assert words_of("A red,striped STAR-shape_2 été") == ["a", "red", "striped", "star", "shape", "2", "été"]


def test_numbers_are_padded_cut_and_unknown_where_need_be() -> None:
    vocabulary = Vocabulary.of_texts(["red star", "a star"])
    assert vocabulary.words == ("a", "red", "star")
    assert len(vocabulary) == 5
    rows = vocabulary.numbers(["a blue star", "", "red " * 99])
    assert rows.shape == (3, MAX_WORDS)
    assert rows[0, :4].tolist() == [2, UNKNOWN, 4, PADDING]
    assert rows[1, :2].tolist() == [UNKNOWN, PADDING]
    assert (rows[2] == 3).all()


def test_only_texts_have_words() -> None:
    with pytest.raises(WorkerError, match="item 1"):
        Vocabulary(["red"]).numbers(["red", np.zeros((1, 1, 3), np.uint8)])
