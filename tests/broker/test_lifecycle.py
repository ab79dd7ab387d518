from miniqueue_py.broker.lifecycle import MOVES, Move, State, drawing


def test_every_state_but_gone_is_reached_and_left() -> None:
    assert {before for before, _ in MOVES} == set(State) - {State.GONE}
    assert set(MOVES.values()) == set(State)


def test_every_move_is_legal_from_somewhere() -> None:
    assert {move for _, move in MOVES} == set(Move)


def test_drawing_has_a_line_for_every_move() -> None:
    lines = drawing().splitlines()

    assert len(lines) == 2 + len(MOVES)
    assert "    [*] --> DELAYED: publish with a delay" in lines
    assert "    LEASED --> DELAYED: DACK, or backoff" in lines
    assert "    LEASED --> [*]: ACK" in lines
