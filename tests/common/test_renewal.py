"""When to renew: the paper's numbers, tiny lifetimes, retries and the order after a reconnect."""

from checks import raises
from sealcore import renewal

LOWEST = 0
HIGHEST = 0xFFFFFFFF

# Each row: sentence, not_before, not_after, share; earliest and latest due time.
DRAWS = (
    ("the paper's 5000 s: 1250 s to 1 s before expiry", 0, 5000, 250, 3750, 4999),
    ("an hour", 1000, 4600, 250, 3700, 4599),
    ("the window is rounded up", 0, 5, 250, 3, 4),
    ("four seconds leave one choice", 0, 4, 250, 3, 3),
    ("two seconds", 10, 12, 250, 11, 11),
    ("one second: at its end", 10, 11, 250, 11, 11),
    ("no lifetime: at once", 10, 10, 250, 10, 10),
    ("no share: at expiry, as without backoff", 0, 5000, 0, 5000, 5000),
    ("the whole lifetime but for its first second", 0, 5000, 1000, 1, 4999),
    ("a year on a board with 30-bit small integers", 0, 31536000, 250, 23652000, 31535999),
    ("today's times", 1795363200, 1795368200, 250, 1795366950, 1795368199),
)


def test_draw_reaches_both_ends_of_its_window_and_no_further():
    for sentence, begin, end, share, earliest, latest in DRAWS:
        assert renewal.draw(begin, end, HIGHEST, share) == earliest, sentence
        assert renewal.draw(begin, end, LOWEST, share) == latest, sentence


def test_the_share_is_a_quarter_unless_said():
    for bits in (0, 1 << 20, 1 << 30, HIGHEST):
        assert renewal.draw(0, 5000, bits) == renewal.draw(0, 5000, bits, 250)


def test_every_second_of_the_window_is_as_likely():
    seen = [0] * 20
    for step in range(2000):
        seen[renewal.lead(20, (2 * step + 1) * (HIGHEST + 1) // 4000) - 1] += 1
    assert seen == [100] * 20


def test_more_random_bits_than_needed_do_no_harm():
    assert renewal.draw(0, 5000, HIGHEST << 32 | 7) == renewal.draw(0, 5000, 7)


def test_a_window_needs_a_lifetime_and_a_share():
    raises(ValueError, renewal.draw, 10, 9, 0)
    raises(ValueError, renewal.draw, 0, 9, 0, 1001)
    raises(ValueError, renewal.draw, 0, 9, 0, -1)


# Each row: sentence, attempt, now, not_after; shortest and longest delay.
RETRIES = (
    ("the first failure", 0, 100, 9999, 1, 2),
    ("the ceiling doubles", 3, 100, 9999, 1, 16),
    ("up to its cap", 7, 100, 9999, 1, 256),
    ("and no further", 1000000, 100, 9999, 1, 256),
    ("no seal at stake", 5, 100, None, 1, 64),
    ("the next try comes before expiry", 9, 100, 111, 1, 10),
    ("one second is left", 9, 100, 102, 1, 1),
    ("one try in the second before expiry, one at expiry", 9, 101, 102, 1, 1),
    ("at expiry itself", 9, 102, 102, 1, 1),
    ("after expiry nothing is left to save", 9, 103, 102, 1, 256),
)


def test_retries_back_off_with_full_jitter_and_try_before_expiry():
    for sentence, attempt, now, not_after, shortest, longest in RETRIES:
        assert renewal.retry_delay(attempt, LOWEST, now, not_after) == shortest, sentence
        assert renewal.retry_delay(attempt, HIGHEST, now, not_after) == longest, sentence


def test_failing_to_the_end_still_tries_in_the_last_second():
    for bits in (LOWEST, 1 << 31, HIGHEST):
        now = 3750
        attempt = 0
        while now < 4999:
            now += renewal.retry_delay(attempt, bits, now, 5000)
            attempt += 1
        assert now == 4999, bits


def test_the_first_connect_after_boot_is_spread():
    assert renewal.connect_delay(LOWEST) == 0
    assert renewal.connect_delay(HIGHEST) == 29
    assert renewal.connect_delay(HIGHEST, 600) == 599
    assert renewal.connect_delay(HIGHEST, 1) == 0
    assert renewal.connect_delay(HIGHEST, 0) == 0


# Each row: sentence; seals together; shortest and longest lead for windows of 1250 s and 15 s.
LEADS = (
    ("one: a second", 1, 1, 1250, 1, 15),
    ("each more takes two seconds to check", 2, 3, 1250, 3, 15),
    ("thirty", 30, 59, 1250, 8, 15),
    ("never more than half of the window", 1000, 625, 1250, 8, 15),
)


def test_what_is_renewed_together_leaves_time_to_check_all_of_it():
    for sentence, count, shortest, longest, shorter, long in LEADS:
        assert renewal.lead(1250, LOWEST, count) == shortest, sentence
        assert renewal.lead(1250, HIGHEST, count) == longest, sentence
        assert renewal.lead(15, LOWEST, count) == shorter, sentence
        assert renewal.lead(15, HIGHEST, count) == long, sentence
    assert [renewal.lead(seconds, LOWEST, 64) for seconds in range(6)] == [0, 1, 1, 2, 2, 3]
    assert renewal.draw(0, 5000, LOWEST, 250, 30) == 4941
    assert renewal.draw(0, 5000, HIGHEST, 250, 30) == 3750


BEGIN = 1795363200


def test_no_draw_comes_before_a_window_opens_and_the_highest_comes_then():
    for lifetime in (0, 1, 2, 3, 4, 5000, 2147483647):
        end = BEGIN + lifetime
        opened = renewal.opens(BEGIN, end)
        for count in (1, 30):
            first = renewal.draw(BEGIN, end, HIGHEST, 250, count)
            assert opened == first <= renewal.draw(BEGIN, end, LOWEST, 250, count)
    assert renewal.opens(BEGIN, BEGIN + 5000) == BEGIN + 3750
    assert renewal.opens(BEGIN, BEGIN + 5000, 0) == BEGIN + 5000


# Each row: sentence; name, due, when the window opens, not_after of each seal; the names at 1000.
ORDERS = (
    ("no seal", (), []),
    ("nothing is due", (("a", 1001, 900, 1100), ("b", 1500, 1000, 1600)), []),
    ("due is due at its second", (("a", 1000, 900, 1100),), ["a"]),
    (
        "with it go those whose windows have opened",
        (("a", 1200, 900, 1300), ("b", 1000, 900, 1100), ("c", 1050, 1000, 1100)),
        ["b", "c", "a"],
    ),
    (
        "and no others",
        (("a", 1001, 1001, 1200), ("b", 1000, 900, 1100), ("c", 5000, 1001, 5000)),
        ["b"],
    ),
    (
        "what was refused goes when it is due, and takes none along",
        (("a", 1000, 1001, 1500), ("b", 1300, 900, 1400)),
        ["a"],
    ),
    (
        "nor goes with others before",
        (("a", 1001, 1001, 1500), ("b", 1000, 900, 1400), ("c", 900, 1001, 1300)),
        ["c", "b"],
    ),
    (
        "expired first, then by expiry",
        (
            ("far", 990, 900, 1300),
            ("gone", 800, 700, 900),
            ("near", 1004, 995, 1005),
            ("later", 1200, 1100, 1300),
        ),
        ["gone", "near", "far"],
    ),
    ("ties by name", (("c", 1, 1, 2), ("a", 1, 1, 2), ("b", 9999, 1, 2)), ["a", "b", "c"]),
)


def test_what_is_due_takes_along_what_may_be():
    for sentence, seals, names in ORDERS:
        assert renewal.companions(seals, 1000) == names, sentence
