"""Times: what they are in seconds from 1950 to 9999, and all that is no time."""

from checks import raises, row
from sealcore import der, timetext, utctime

DAY = 86400

# Unix times by another's hand (GNU date).
KNOWN = (
    ("the first that can be written", b"500101000000Z", -631152000),
    ("the second before the epoch", b"691231235959Z", -1),
    ("the epoch", b"700101000000Z", 0),
    ("a leap day of a century", b"000229120000Z", 951825600),
    ("the end of 32 bits", b"380119031407Z", 2147483647),
    ("one more", b"380119031408Z", 2147483648),
    ("the last UTCTime", b"491231235959Z", 2524607999),
    ("the first GeneralizedTime", b"20500101000000Z", 2524608000),
    ("no leap day in 2100", b"21000301000000Z", 4107542400),
    ("a leap day in 2400", b"24000229000000Z", 13574563200),
    ("the last of all", b"99991231235959Z", 253402300799),
)

REFUSED = (
    ("no bytes", 0x17, b""),
    ("a UTCTime without seconds", 0x17, b"2611221600Z"),
    ("a GeneralizedTime without seconds", 0x18, b"206011221600Z"),
    ("no Z", 0x17, b"261122160000"),
    ("a small z", 0x17, b"261122160000z"),
    ("an offset", 0x17, b"261122160000+0000"),
    ("an offset of the same length", 0x17, b"26112216+0000"),
    ("a fraction", 0x18, b"20601122160000.5Z"),
    ("a fraction of nothing", 0x18, b"20601122160000.Z"),
    ("a UTCTime of four digits' year", 0x17, b"20261122160000Z"),
    ("a GeneralizedTime of two digits' year", 0x18, b"601122160000Z"),
    ("a GeneralizedTime before 2050", 0x18, b"20491231235959Z"),
    ("a GeneralizedTime long before", 0x18, b"19491231235959Z"),
    ("the year 0", 0x18, b"00000101000000Z"),
    ("another string type", 0x13, b"261122160000Z"),
    ("another string type of the other length", 0x13, b"20601122160000Z"),
    ("month 0", 0x17, b"260022160000Z"),
    ("month 13", 0x17, b"261322160000Z"),
    ("day 0", 0x17, b"261100160000Z"),
    ("a 32nd", 0x17, b"261032160000Z"),
    ("a 31st of November", 0x17, b"261131160000Z"),
    ("a 30th of February", 0x17, b"280230160000Z"),
    ("a 29th of February in no leap year", 0x17, b"260229160000Z"),
    ("a 29th of February in 2100", 0x18, b"21000229000000Z"),
    ("hour 24", 0x17, b"261122240000Z"),
    ("minute 60", 0x17, b"261122166000Z"),
    ("a leap second", 0x17, b"261231235960Z"),
    ("a blank for a digit", 0x17, b"2611221600 0Z"),
    ("a blank in front", 0x17, b" 61122160000Z"),
    ("a plus sign", 0x17, b"+61122160000Z"),
    ("a minus sign", 0x17, b"-11122160000Z"),
    ("an underscore", 0x17, b"26112216000_Z"),
    ("a letter", 0x17, b"2611221600a0Z"),
    ("the byte before 0", 0x17, b"26112216000/Z"),
    ("the byte behind 9", 0x17, b"26112216000:Z"),
    ("a zero byte", 0x17, b"26112216000\x00Z"),
)


def read(tag, text):
    reader = der.Reader(bytes((tag, len(text))) + text)
    seconds = utctime.read(reader)
    reader.end()
    return seconds


def tag_of(text):
    return 0x17 if len(text) == 13 else 0x18


def test_what_is_no_time_is_refused():
    for sentence, tag, text in REFUSED:
        row(sentence, "malformed-der", read, tag, text)
    raises("malformed-der", utctime.read, der.Reader(b""))


def test_times_are_the_seconds_that_they_are():
    for sentence, text, seconds in KNOWN:
        assert read(tag_of(text), text) == seconds, sentence
        assert timetext.der(seconds)[2:] == text, sentence


def days_in(year, month):
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def test_every_month_from_1950_to_9999_has_its_days():
    days = -7305  # 1950-01-01
    for year in range(1950, 10000):
        for month in range(1, 13):
            assert utctime.days_before(12 * year + month - 1) == days, (year, month)
            days += days_in(year, month)
    assert days == 2932897


def test_each_last_day_is_one_and_the_next_is_none():
    for year in (1950, 1999, 2000, 2024, 2026, 2049, 2050, 2100, 2400, 9999):
        century = b"" if year < 2050 else b"%02d" % (year // 100)
        for month in range(1, 13):
            last = days_in(year, month)
            text = century + b"%02d%02d%02d000000Z" % (year % 100, month, last)
            assert timetext.fields(read(tag_of(text), text))[:3] == (year, month, last)
            text = century + b"%02d%02d%02d000000Z" % (year % 100, month, last + 1)
            raises("malformed-der", read, tag_of(text), text)


def test_what_is_written_is_read_back():
    seconds = -631152000
    while seconds < 253402300799:  # `range` holds no more than a machine word
        data = timetext.der(seconds)
        assert read(data[0], data[2:]) == seconds
        assert data[0] == (0x17 if seconds < 2524608000 else 0x18)
        seconds += 7 * 365 * DAY + 12345


def test_years_that_cannot_be_written_are_not():
    for seconds in (-631152001, 253402300800):
        raises(ValueError, timetext.der, seconds)


def test_people_read_times_too():
    assert timetext.iso(1795363200) == "2026-11-22T16:00:00Z"
    assert timetext.fields(-1) == (1969, 12, 31, 23, 59, 59)
