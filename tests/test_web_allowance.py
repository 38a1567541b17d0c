"""How often a client may do something."""

from __future__ import annotations

from ui.web.allowance import MAX_CLIENTS, Allowance


def test_a_client_may_so_often_at_once_and_then_now_and_then() -> None:
    now = [1_000.0]
    allowance = Allowance(3, 10.0, lambda: now[0])
    assert [allowance.take("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert allowance.take("b")
    now[0] += 10
    assert [allowance.take("a") for _ in range(2)] == [True, False]
    now[0] += 3_600
    assert [allowance.take("a") for _ in range(4)] == [True] * 3 + [False]


def test_a_bounded_number_of_clients_is_remembered() -> None:
    allowance = Allowance(1, 10.0, lambda: 0.0)
    assert all(allowance.take(str(client)) for client in range(MAX_CLIENTS + 1))
    assert not allowance.take(str(MAX_CLIENTS))
    assert allowance.take("0")  # forgotten
