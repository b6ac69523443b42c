"""ISO 8601 durations added to UTC instants by the calendar.

What enters: text such as P1Y, P90D, PT72H. What leaves: instants in UTC microseconds. A month added to 31 January ends
on the last day of February.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re

from kuroshio.errors import InputError
from kuroshio.units import US_PER_S

_FORM = re.compile(
    r"^P(?=.)(?:(?P<y>\d+)Y)?(?:(?P<mo>\d+)M)?(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?=.)(?:(?P<h>\d+)H)?(?:(?P<mi>\d+)M)?(?:(?P<s>\d+)S)?)?$"
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def add(at_us: int, duration: str, times: int = 1) -> int:
    """Instant after a duration, taken ``times`` times (negative goes back), UTC microseconds.

    Raises
    ------
    InputError
        When the text is no duration, or the result is outside the years 1 to 9999.
    """
    found = _FORM.match(duration)
    if found is None:
        raise InputError(f"not an ISO 8601 duration: {duration!r}", code="input.duration")
    part = {name: int(value or 0) * times for name, value in found.groupdict().items()}
    try:
        moment = _EPOCH + dt.timedelta(microseconds=at_us)
        months = moment.year * 12 + moment.month - 1 + part["y"] * 12 + part["mo"]
        year, month = divmod(months, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        moment = moment.replace(year=year, month=month + 1, day=day)
        moment += dt.timedelta(weeks=part["w"], days=part["d"], hours=part["h"], minutes=part["mi"], seconds=part["s"])
    except (ValueError, OverflowError, calendar.IllegalMonthError) as err:
        raise InputError(f"{duration} from {at_us} leaves the calendar", code="input.duration") from err
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * US_PER_S + delta.microseconds
