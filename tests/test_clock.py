"""Time as the machines see it."""

from emulator.clock import Clock, SteppedClock


def test_a_timer_that_re_arms_itself_fires_as_often_as_it_should(clock: SteppedClock) -> None:
    fired: list[float] = []

    def again() -> None:
        fired.append(clock.now)
        clock.call_later(1, again)

    clock.call_later(1, again)
    clock.advance(5)
    assert fired == [1001, 1002, 1003, 1004, 1005]


def test_order_is_by_time_then_by_age(clock: SteppedClock) -> None:
    order: list[str] = []
    clock.call_later(2, order.append, "c")
    clock.call_later(1, order.append, "a")
    clock.call_later(1, order.append, "b")
    clock.call_later(1, order.append, "x").cancel()
    clock.advance(3)
    assert order == ["a", "b", "c"] and clock.pending == 0


def test_one_timers_error_does_not_keep_the_others_from_firing() -> None:
    now = [0.0]
    clock = Clock(lambda: now[0])
    fired: list[str] = []
    clock.call_later(1, lambda: 1 / 0)
    clock.call_later(1, fired.append, "b")
    now[0] = 1.0
    errors: list[Exception] = []
    assert clock.run_due(errors.append) is None
    assert fired == ["b"] and isinstance(errors[0], ZeroDivisionError)


def test_whoever_drives_the_queue_is_woken_for_an_earlier_timer_only() -> None:
    woken: list[float] = []
    clock = Clock(lambda: 0.0, wake=woken.append)
    for delay in (5, 7, 3, 4):
        clock.call_later(delay, print)
    assert woken == [5, 3]


def test_cancelled_timers_do_not_pile_up(clock: SteppedClock) -> None:
    keep = clock.call_later(1000, print)
    for _ in range(20000):
        clock.call_later(500, print).cancel()
    assert len(clock._heap) < 9000 and keep.pending and clock.pending == 1
