//! Dates in the format of nginx, which keeps Last-Modified as text and as a time.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS_OF_WEEK: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAYS_OF_MONTH: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The three forms of RFC 9110 section 5.6.7.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    Fixed,
    /// `Sunday, 06-Nov-94 08:49:37 GMT`
    Rfc850,
    /// `Sun Nov  6 08:49:37 1994`
    Asctime,
}

/// The unread rest of a date.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn at(&self, index: usize) -> u8 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        let fits = self.at(0) == expected;
        self.skip(1);
        fits.then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.0.get(..count).filter(|all| all.iter().all(u8::is_ascii_digit))?;
        let number = digits.iter().fold(0, |number, &digit| number * 10 + i64::from(digit - b'0'));
        self.skip(count);
        Some(number)
    }

    /// Reads a month with the same few comparisons as nginx: `Jxx` is July.
    fn month(&mut self) -> Option<usize> {
        let month = match (self.at(0), self.at(1), self.at(2)) {
            (b'J', b'a', _) => 0,
            (b'F', _, _) => 1,
            (b'M', _, b'r') => 2,
            (b'A', b'p', _) => 3,
            (b'M', _, _) => 4,
            (b'J', _, b'n') => 5,
            (b'J', _, _) => 6,
            (b'A', _, _) => 7,
            (b'S', _, _) => 8,
            (b'O', _, _) => 9,
            (b'N', _, _) => 10,
            (b'D', _, _) => 11,
            _ => return None,
        };
        self.skip(3);
        Some(month)
    }
}

/// nginx's time for an invalid date. It is also the time of the last second of 1969, so nginx treats that date as
/// invalid.
pub const INVALID: i64 = -1;

/// The seconds since 1970 of a date, or `None` if nginx refuses the date.
pub fn parse(text: &[u8]) -> Option<i64> {
    let mut reader = Reader(text);
    let mut form = Form::Fixed;
    let name = text.iter().position(|&byte| byte == b',' || byte == b' ').unwrap_or(text.len());
    if text.get(name) == Some(&b' ') {
        form = Form::Asctime;
    }
    reader.skip(name + 1);
    while reader.at(0) == b' ' {
        reader.skip(1);
    }
    if reader.0.len() < 18 {
        return None;
    }
    let mut day = 0;
    if form != Form::Asctime {
        day = reader.digits(2)?;
        form = match reader.at(0) {
            b' ' if reader.0.len() >= 18 => Form::Fixed,
            b'-' => Form::Rfc850,
            _ => return None,
        };
        reader.skip(1);
    }
    let month = reader.month()?;
    match form {
        Form::Fixed => reader.byte(b' ')?,
        Form::Rfc850 => reader.byte(b'-')?,
        Form::Asctime => reader.skip(1),
    }
    let mut year = match form {
        Form::Fixed => reader.digits(4)?,
        Form::Rfc850 => match reader.digits(2)? {
            year @ 0..70 => year + 2000,
            year => year + 1900,
        },
        Form::Asctime => {
            if reader.at(0) == b' ' {
                reader.skip(1);
            }
            day = reader.digits(1)?;
            if reader.at(0) != b' ' {
                day = day * 10 + reader.digits(1)?;
            }
            if reader.0.len() < 14 {
                return None;
            }
            0
        }
    };
    reader.byte(b' ')?;
    let hour = reader.digits(2)?;
    reader.byte(b':')?;
    let minute = reader.digits(2)?;
    reader.byte(b':')?;
    let second = reader.digits(2)?;
    if form == Form::Asctime {
        reader.byte(b' ')?;
        year = reader.digits(4)?;
    }
    seconds((year, month, day), (hour, minute, second))
}

/// The seconds since 1970 of a date and a time, unless they are invalid. `month` starts with 0.
fn seconds(
    (year, month, day): (i64, usize, i64),
    (hour, minute, second): (i64, i64, i64),
) -> Option<i64> {
    let days_of_month = match month {
        1 if is_leap(year) => 29,
        _ => DAYS_OF_MONTH[month],
    };
    if hour > 23 || minute > 59 || second > 59 || day > days_of_month {
        return None;
    }
    let time = days(year, month as i64 + 1, day) * 86_400 + hour * 3600 + minute * 60 + second;
    (time != INVALID).then_some(time)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days since 1970-01-01 (Howard Hinnant's algorithm, with years that begin in March).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date `seconds` after 1970: `Mon, 28 Sep 1970 06:00:00 GMT`.
pub fn format(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 2 } else { month - 10 };
    let year = year + era * 400 + i64::from(month <= 1);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS_OF_WEEK[days.rem_euclid(7) as usize],
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_one_date() {
        let forms = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ];
        for form in forms {
            assert_eq!(parse(form.as_bytes()), Some(784_111_777), "{form}");
        }
        assert_eq!(format(784_111_777), forms[0]);
        assert_eq!(
            parse(b"Thu, 29 Feb 2024 00:00:00 GMT").map(format).as_deref(),
            Some("Thu, 29 Feb 2024 00:00:00 GMT")
        );
    }

    #[test]
    fn refuses_invalid_dates() {
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn formatted_dates_parse_to_the_same_time() {
        for day in (-200_000..200_000).step_by(37) {
            let seconds = day * 86_400 + 12_345;
            if seconds > -62_000_000_000 {
                assert_eq!(parse(format(seconds).as_bytes()), Some(seconds));
            }
        }
    }
}
