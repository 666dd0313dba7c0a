//! Unicode date patterns: `yyyy-MM-dd HH:mm:ss.SSS`. A doubled letter is two digits, a single one as many as it needs;
//! letters in single quotes and everything else stand for themselves.

use crate::value::{Date, Text, Time};

/// Bytes of a date that are put together before they become a text.
const SHORT_MAX: usize = 32;
/// Longest pattern in parts.
const PARTS_MAX: usize = 64;

/// One field or one fixed character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month(Width),
    Day(Width),
    Hour(Width),
    Minute(Width),
    Second(Width),
    /// So many digits of the second's fraction.
    Fraction(u8),
    Fixed(char),
}

/// How many digits a number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// `M`: one or two.
    Free,
    /// `MM`
    Two,
}

/// Which fields a pattern may have, and must have to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Date,
    Time,
    DateTime,
}

/// How a date or a time is written.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Part>);

/// A date and a time of which a pattern shows some parts.
pub struct Moment {
    pub date: Date,
    pub time: Time,
}

impl Pattern {
    /// What is wrong with it is said in words.
    pub fn parse(text: &str, purpose: Use) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                quoted(&mut rest, &mut parts)?;
            } else if letter.is_ascii_alphabetic() {
                let mut count = 1u8;
                while rest.next_if_eq(&letter).is_some() {
                    count = count.saturating_add(1);
                }
                parts.push(field(letter, count)?);
            } else {
                parts.push(Part::Fixed(letter));
            }
            if parts.len() > PARTS_MAX {
                return Err(format!("the pattern has more than {PARTS_MAX} parts"));
            }
        }
        match parts.iter().find(|it| !it.serves(purpose)) {
            Some(_) if purpose == Use::Date => Err("a date has no hours, minutes and seconds".to_owned()),
            Some(_) => Err("a time has no year, month and day".to_owned()),
            None => Ok(Self(parts)),
        }
    }

    /// A pattern that says everything that is needed to read it, each once.
    pub fn parse_readable(text: &str, purpose: Use) -> Result<Self, String> {
        let pattern = Self::parse(text, purpose)?;
        let count = |of: fn(&Part) -> bool| pattern.0.iter().filter(|it| of(it)).count();
        let year = count(|it| matches!(it, Part::Year));
        let month = count(|it| matches!(it, Part::Month(_)));
        let day = count(|it| matches!(it, Part::Day(_)));
        let hour = count(|it| matches!(it, Part::Hour(_)));
        let others = [
            count(|it| matches!(it, Part::Minute(_))),
            count(|it| matches!(it, Part::Second(_))),
            count(|it| matches!(it, Part::Fraction(_))),
        ];
        let date_is_said = purpose == Use::Time || (year, month, day) == (1, 1, 1);
        let time_is_said = purpose == Use::Date || hour == 1;
        if !date_is_said {
            return Err("to read a date, the pattern names `yyyy`, `MM` and `dd` once each".to_owned());
        }
        if !time_is_said || others.iter().any(|it| *it > 1) {
            return Err("to read a time, the pattern names `HH` once, and `mm`, `ss` and `S` at most once".to_owned());
        }
        Ok(pattern)
    }

    /// Most UTF-16 units that it gives.
    pub fn length_max(&self) -> u32 {
        self.0.iter().map(|it| it.length_max()).sum()
    }

    pub fn format(&self, moment: &Moment) -> Text {
        // Most dates are short: put together here, they are made into a text once.
        let (mut short, mut length) = ([0; SHORT_MAX], 0);
        let mut long = Text::default();
        for part in &self.0 {
            part.format(moment, &mut |piece| match short.get_mut(length..length + piece.len()) {
                Some(place) if long.is_empty() => {
                    place.copy_from_slice(piece.as_bytes());
                    length += piece.len();
                }
                Some(_) | None => long.push_str(piece),
            });
        }
        let short = std::str::from_utf8(&short[..length]).expect("whole pieces were put together");
        if long.is_empty() { Text::new(short) } else { Text::from(format!("{short}{long}")) }
    }

    /// Reads the whole text. What the pattern does not name is 0.
    pub fn read(&self, text: &str) -> Result<Moment, String> {
        let misfit = || format!("{text:?} does not have the form of the pattern");
        let (mut year, mut month, mut day) = (1i16, 1i8, 1i8);
        let (mut hour, mut minute, mut second, mut nanos) = (0i8, 0i8, 0i8, 0i32);
        let mut rest = text.as_bytes();
        for part in &self.0 {
            match part {
                Part::Fixed(letter) => rest = rest.strip_prefix(letter.encode_utf8(&mut [0; 4]).as_bytes()).ok_or_else(misfit)?,
                Part::Year => year = digits(&mut rest, 4, 4).ok_or_else(misfit)? as i16,
                Part::Month(width) => month = width.read(&mut rest).ok_or_else(misfit)?,
                Part::Day(width) => day = width.read(&mut rest).ok_or_else(misfit)?,
                Part::Hour(width) => hour = width.read(&mut rest).ok_or_else(misfit)?,
                Part::Minute(width) => minute = width.read(&mut rest).ok_or_else(misfit)?,
                Part::Second(width) => second = width.read(&mut rest).ok_or_else(misfit)?,
                Part::Fraction(count) => {
                    let value = digits(&mut rest, usize::from(*count), usize::from(*count)).ok_or_else(misfit)?;
                    nanos = value as i32 * 10i32.pow(9 - u32::from(*count));
                }
            }
        }
        if !rest.is_empty() {
            return Err(misfit());
        }
        let date = Date::new(year, month, day).map_err(|_| format!("{text:?} is no day of the calendar"))?;
        let time = Time::new(hour, minute, second, nanos).map_err(|_| format!("{text:?} is no time of day"))?;
        Ok(Moment { date, time })
    }
}

/// The text up to the closing quote; two quotes in a row are one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, parts: &mut Vec<Part>) -> Result<(), String> {
    if rest.next_if_eq(&'\'').is_some() {
        parts.push(Part::Fixed('\''));
        return Ok(());
    }
    loop {
        match rest.next() {
            Some('\'') if rest.next_if_eq(&'\'').is_some() => parts.push(Part::Fixed('\'')),
            Some('\'') => return Ok(()),
            Some(letter) => parts.push(Part::Fixed(letter)),
            None => return Err("the pattern has a quote that is not closed".to_owned()),
        }
    }
}

fn field(letter: char, count: u8) -> Result<Part, String> {
    let width = match count {
        1 => Some(Width::Free),
        2 => Some(Width::Two),
        _ => None,
    };
    match (letter, width) {
        ('y', _) if count == 4 => Ok(Part::Year),
        ('y', _) => Err("a year is written `yyyy`".to_owned()),
        ('M', Some(width)) => Ok(Part::Month(width)),
        ('d', Some(width)) => Ok(Part::Day(width)),
        ('H', Some(width)) => Ok(Part::Hour(width)),
        ('m', Some(width)) => Ok(Part::Minute(width)),
        ('s', Some(width)) => Ok(Part::Second(width)),
        ('S', _) if count <= 9 => Ok(Part::Fraction(count)),
        ('M' | 'd' | 'H' | 'm' | 's' | 'S', _) => Err(format!("`{letter}` stands too often in a row in the pattern")),
        _ => Err(format!("`{letter}` means nothing in a date pattern; put letters that stand for themselves in single quotes")),
    }
}

impl Part {
    fn serves(&self, purpose: Use) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Year | Self::Month(_) | Self::Day(_) => purpose != Use::Time,
            Self::Hour(_) | Self::Minute(_) | Self::Second(_) | Self::Fraction(_) => purpose != Use::Date,
        }
    }

    fn length_max(&self) -> u32 {
        match self {
            Self::Year => 4,
            Self::Month(_) | Self::Day(_) | Self::Hour(_) | Self::Minute(_) | Self::Second(_) => 2,
            Self::Fraction(count) => u32::from(*count),
            Self::Fixed(letter) => letter.len_utf16() as u32,
        }
    }

    fn format(&self, moment: &Moment, out: &mut impl FnMut(&str)) {
        let Moment { date, time } = moment;
        match self {
            // Years before 0 do not occur in business data; their sign is dropped rather than the length promised broken.
            Self::Year => {
                let year = date.year().unsigned_abs();
                out(two_digits((year / 100) as u8));
                out(two_digits((year % 100) as u8));
            }
            Self::Month(width) => width.format(date.month(), out),
            Self::Day(width) => width.format(date.day(), out),
            Self::Hour(width) => width.format(time.hour(), out),
            Self::Minute(width) => width.format(time.minute(), out),
            Self::Second(width) => width.format(time.second(), out),
            Self::Fraction(count) => {
                let digits = format!("{:09}", time.subsec_nanosecond());
                out(&digits[..usize::from(*count)]);
            }
            Self::Fixed(letter) => out(letter.encode_utf8(&mut [0; 4])),
        }
    }
}

impl Width {
    fn read(self, rest: &mut &[u8]) -> Option<i8> {
        let least = if self == Self::Two { 2 } else { 1 };
        digits(rest, least, 2).map(|it| it as i8)
    }

    fn format(self, number: i8, out: &mut impl FnMut(&str)) {
        let two = two_digits(number.unsigned_abs());
        out(if self == Self::Free && number < 10 { &two[1..] } else { two });
    }
}

/// `00` to `99`.
fn two_digits(number: u8) -> &'static str {
    const ALL: &str = concat!(
        "00010203040506070809",
        "10111213141516171819",
        "20212223242526272829",
        "30313233343536373839",
        "40414243444546474849",
        "50515253545556575859",
        "60616263646566676869",
        "70717273747576777879",
        "80818283848586878889",
        "90919293949596979899"
    );
    &ALL[usize::from(number) * 2..][..2]
}

/// Takes digits from the front: at least and at most so many.
fn digits(rest: &mut &[u8], least: usize, most: usize) -> Option<u32> {
    let (mut count, mut number) = (0, 0);
    while let Some(digit @ b'0'..=b'9') = rest.get(count).filter(|_| count < most) {
        number = number * 10 + u32::from(digit - b'0');
        count += 1;
    }
    *rest = &rest[count..];
    (count >= least).then_some(number)
}
