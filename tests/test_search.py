"""Beam search against all texts there are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from model.meaning.search import LENGTH_PENALTY, Beam, Ids, beam_search, length_penalty

END, V, MOST = 0, 3, 4


class Table:
    """A network that is a table: random log-probabilities of the next character after each beginning."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)
        self.rows: dict[Ids, Tensor] = {}
        for n in range(MOST):
            for ids in itertools.product(range(V), repeat=n):
                self.rows[ids] = torch.randn(V, generator=self.generator).mul_(2).log_softmax(-1)

    def __call__(self, texts: Sequence[Ids]) -> Tensor:
        return torch.stack([self.rows[ids] for ids in texts])

    def log_probability(self, ids: Ids) -> float:
        return sum(self.rows[ids[:place]][char].item() for place, char in enumerate(ids))

    def best(self, penalty: float) -> Ids:
        """The best of all texts that end."""
        beginnings = (ids for n in range(MOST) for ids in itertools.product(range(1, V), repeat=n))
        return max(((*ids, END) for ids in beginnings), key=lambda ids: self.log_probability(ids) / length_penalty(len(ids), penalty))


@pytest.mark.parametrize("penalty", [0.0, LENGTH_PENALTY, 2.0])
def test_with_enough_beams_the_best_of_all_texts_is_found(penalty: float) -> None:
    lengths = set()
    for seed in range(20):
        table = Table(seed)
        best, steps = beam_search(table, END, V**MOST, MOST, penalty)
        assert best.ids == table.best(penalty)
        assert best.log_probability == pytest.approx(table.log_probability(best.ids), abs=1e-5)
        assert best.ended
        assert len(steps) == MOST
        lengths.add(len(best.ids))
    assert len(lengths) > 1


def test_one_beam_takes_the_likeliest_character_each_time() -> None:
    for seed in range(20):
        table, ids = Table(seed), ()
        while len(ids) < MOST and ids[-1:] != (END,):
            ids = (*ids, int(table.rows[ids].argmax()))
        best, steps = beam_search(table, END, 1, MOST)
        assert (best.ids, best.ended) == (ids, ids[-1] == END)
        assert [beams[0].ids for beams in steps] == [ids[: n + 1] for n in range(len(ids))]


def test_more_beams_find_what_greedy_decoding_misses() -> None:
    found = [[beam_search(Table(seed), END, beams, MOST, 0.0)[0] for beams in (1, 3)] for seed in range(20)]
    ended = [(greedy, wide) for greedy, wide in found if greedy.ended]
    assert all(wide.log_probability >= greedy.log_probability - 1e-9 for greedy, wide in ended)
    assert any(wide.ids != greedy.ids for greedy, wide in ended)


def test_the_steps_tell_how_it_was_found() -> None:
    table = Table(3)
    best, steps = beam_search(table, END, 3, MOST)
    for before, beams in itertools.pairwise([[Beam((), 0.0, False, -1)], *steps]):
        assert [beam.log_probability for beam in beams] == sorted((beam.log_probability for beam in beams), reverse=True)
        assert len({beam.ids for beam in beams}) == len(beams) <= 3
        for beam in beams:
            parent = before[beam.parent]
            assert not parent.ended
            assert beam.ids[:-1] == parent.ids
            assert beam.log_probability == pytest.approx(table.log_probability(beam.ids), abs=1e-5)
            assert beam.ended == (beam.ids[-1] == END)
    assert best in steps[len(best.ids) - 1]


def test_a_text_that_cannot_end_is_as_long_as_it_may_be() -> None:
    never = torch.tensor([-torch.inf, -1.0, -2.0])
    best, steps = beam_search(lambda texts: never.expand(len(texts), -1), END, 2, 3)
    assert (best.ids, best.ended, best.log_probability, len(steps)) == ((1, 1, 1), False, -3.0, 3)


def test_an_output_that_is_no_number_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        beam_search(lambda texts: torch.full((len(texts), V), torch.nan), END, 2, MOST)
