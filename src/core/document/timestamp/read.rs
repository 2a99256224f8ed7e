//! Parses times as Python does: `datetime.fromisoformat` of 3.11, and the numbers with signs that pydantic accepts too.

/// A second in microseconds.
pub const SECOND: i64 = 1_000_000;
/// A day in microseconds.
pub const DAY: i64 = 86_400 * SECOND;
/// The start of the years 1 to 9999 in UTC. HTTP dates and ISO 8601 have four digits for a year.
pub const BEGIN: i64 = -719_162 * DAY;
/// The end of the years 1 to 9999 in UTC.
pub const END: i64 = 2_932_897 * DAY;

/// Parses a date, or a date and a time of day with any character between them. Returns microseconds since 1970.
pub fn iso(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(date_length(text.as_bytes())?)?;
    let days = days_since_1970(date)?;
    let mut rest = rest.chars();
    let of_day = match rest.next() {
        None => 0,
        Some(_separator) => time_in_utc(rest.as_str())?,
    };
    Some(days * DAY + of_day)
}

/// Parses seconds since 1970. A number beyond 20,000,000,000 is milliseconds.
pub fn number(text: &str) -> Option<i64> {
    const MOST_SECONDS: u64 = 20_000_000_000;
    let microseconds = if let Ok(whole) = text.parse::<i64>() {
        whole.checked_mul(if whole.unsigned_abs() > MOST_SECONDS { 1_000 } else { SECOND })?
    } else {
        // Rust also reads names such as `inf`.
        let is_digit = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let number = text.bytes().all(is_digit).then(|| text.parse::<f64>().ok())??;
        let unit = if number.abs() > MOST_SECONDS as f64 { 1_000 } else { SECOND };
        let fraction = ((number - number.floor()) * unit as f64).round() as i64;
        (number.floor() as i64).checked_mul(unit)?.checked_add(fraction)?
    };
    (BEGIN..END).contains(&microseconds).then_some(microseconds)
}

/// Returns the length of the date at the start of a text, in bytes.
///
/// In the basic form, a week may have a weekday, and any digit may separate date and time. So the number of digits
/// decides if a time follows.
fn date_length(text: &[u8]) -> Option<usize> {
    let has_digit_at = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    match (text.get(4)?, text.get(5)?) {
        (b'-', b'W') if text.get(8) == Some(&b'-') && !has_digit_at(10) => Some(10),
        (b'-', b'W') => Some(8),
        (b'-', _) => Some(10),
        (b'W', _) => {
            let end = 7 + text.iter().skip(7).take_while(|byte| byte.is_ascii_digit()).count();
            if end < 9 { Some(end) } else { Some(if end % 2 == 0 { 7 } else { 8 }) }
        }
        _ => Some(8),
    }
}

/// Parses `2026-01-02`, `20260102`, `2026-W01`, `2026W01`, `2026-W01-1` or `2026W011` into days since 1970.
fn days_since_1970(date: &str) -> Option<i64> {
    let mut digits = Digits(date.as_bytes());
    let year = digits.number(4).filter(|year| *year > 0)?;
    let is_extended = digits.skip(b'-');
    if digits.skip(b'W') {
        let week = digits.number(2)?;
        let weekday = match digits.is_empty() {
            true => 1,
            false if digits.skip(b'-') == is_extended => digits.number(1)?,
            false => return None,
        };
        let first_monday = monday_of_week_1(year);
        let is_week = (1..=53).contains(&week) && first_monday + week * 7 <= monday_of_week_1(year + 1);
        let days = first_monday + (week - 1) * 7 + weekday - 1;
        let is_day = (1..=7).contains(&weekday) && days < END / DAY;
        return (digits.is_empty() && is_week && is_day).then_some(days);
    }
    let month = digits.number(2).filter(|month| (1..=12).contains(month))?;
    if digits.skip(b'-') != is_extended {
        return None;
    }
    let day = digits.number(2)?;
    let days = days_of(year, month, day);
    // A day beyond the end of the month would become a date in another month.
    (digits.is_empty() && date_of(days) == (year, month, day)).then_some(days)
}

/// Returns the Monday of the week with the year's first Thursday.
fn monday_of_week_1(year: i64) -> i64 {
    let fourth = days_of(year, 1, 4);
    // 1970 began on a Thursday.
    fourth - (fourth + 3).rem_euclid(7)
}

/// Returns the days since 1970 of a date in the Gregorian calendar. Years begin in March here, so that a leap day is
/// their last day.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// Returns year, month and day of a number of days since 1970.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let since = days + 719_468;
    let (era, of_era) = (since.div_euclid(DAYS_IN_400_YEARS), since.rem_euclid(DAYS_IN_400_YEARS));
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let since_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * since_march + 2) / 5 + 1;
    let month = if since_march < 10 { since_march + 3 } else { since_march - 9 };
    (era * 400 + of_era_year + i64::from(month <= 2), month, day)
}

/// Parses a time of day and subtracts its offset, in microseconds. A space may stand between them.
fn time_in_utc(text: &str) -> Option<i64> {
    const SIGNS: [char; 5] = ['+', '-', '\u{2212}', 'Z', 'z'];
    let (time, offset) = text.split_at(text.find(SIGNS).unwrap_or(text.len()));
    let time = if offset.is_empty() { time } else { time.strip_suffix(' ').unwrap_or(time) };
    let [hour, minute, second, fraction] = clock(time)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_day = ((hour * 60 + minute) * 60 + second) * SECOND + fraction;
    let mut offset = offset.chars();
    let sign = match offset.next() {
        None => return Some(of_day),
        Some('Z' | 'z') => return offset.as_str().is_empty().then_some(of_day),
        Some('+') => 1,
        Some(_) => -1,
    };
    let [hours, minutes, seconds, fraction] = clock(offset.as_str())?;
    let offset = ((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction;
    (offset < DAY).then_some(of_day - sign * offset)
}

/// Parses hours, minutes, seconds and microseconds. Each has two digits, with or without colons between them. A
/// fraction may follow any of them and is always a fraction of a second.
fn clock(text: &str) -> Option<[i64; 4]> {
    let mut digits = Digits(text.as_bytes());
    let mut clock = [0; 4];
    let mut is_extended = false;
    for index in 0..3 {
        match index {
            0 => {}
            1 => is_extended = digits.skip(b':'),
            _ if is_extended && !digits.skip(b':') => return None,
            _ => {}
        }
        *clock.get_mut(index)? = digits.number(2)?;
        if digits.is_empty() {
            return Some(clock);
        }
        if digits.skip(b'.') || digits.skip(b',') {
            *clock.last_mut()? = digits.fraction()?;
            return Some(clock);
        }
    }
    None
}

/// The rest of the text.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses a number of exactly this many digits.
    fn number(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let add = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
        digits.iter().try_fold(0, add)
    }

    /// Consumes this byte if it is next. Returns true if it was.
    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Parses all remaining digits as a fraction, in millionths.
    fn fraction(&mut self) -> Option<i64> {
        if self.is_empty() || !self.0.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let count = self.0.len().min(6);
        let scale = (count..6).fold(1, |scale, _| scale * 10);
        self.number(count).map(|number| number * scale)
    }
}
