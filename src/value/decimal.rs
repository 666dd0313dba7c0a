//! Exact decimals of up to 38 digits. They never pass through a float.
//!
//! A 128-bit mantissa and a scale: the widest form that stays small enough to live inside a record slot.
//! The common decimal crates stop at 28 digits (96-bit mantissas) or allocate; SQL `numeric(38,x)` and
//! Finance & Operations reals (32 digits) fit neither.

use std::cmp::Ordering;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most digits of a decimal.
pub const DIGITS_MAX: u32 = 38;
/// So many digits fit into 64 bits, whatever they are.
const SHORT_DIGITS_MAX: usize = 18;
/// Most digits after the point.
pub const SCALE_MAX: u8 = 38;

/// `mantissa / 10^scale`, always in lowest terms (no trailing zero after the point), so that equal numbers are
/// equal in every field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    mantissa: Mantissa,
    scale: u8,
}

/// An `i128` with the alignment of 8 bytes, which keeps a value at 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Mantissa {
    high: i64,
    low: u64,
}

impl Mantissa {
    fn new(value: i128) -> Self {
        Self { high: (value >> 64) as i64, low: value as u64 }
    }

    fn get(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// The text is not a number.
    NotANumber,
    /// More than 38 digits would be needed.
    TooLarge,
    DivisionByZero,
}

impl std::fmt::Display for DecimalError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NotANumber => "not a decimal number",
            Self::TooLarge => "needs more than 38 digits",
            Self::DivisionByZero => "division by zero",
        })
    }
}

impl std::error::Error for DecimalError {}

/// How the digits that do not fit are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Half away from zero, as Dataverse and most ledgers do.
    HalfUp,
    Floor,
    Ceil,
    Truncate,
}

impl Decimal {
    pub const ZERO: Self = Self { mantissa: Mantissa { high: 0, low: 0 }, scale: 0 };

    /// `mantissa / 10^scale`; refuses more than 38 digits.
    pub fn new(mantissa: i128, scale: u8) -> Result<Self, DecimalError> {
        let (mantissa, scale) = lowest_terms(mantissa, u32::from(scale));
        let scale = u8::try_from(scale).map_err(|_| DecimalError::TooLarge)?;
        if let Ok(short) = i64::try_from(mantissa)
            && scale <= SCALE_MAX
        {
            return Ok(Self { mantissa: Mantissa::new(i128::from(short)), scale });
        }
        if mantissa.unsigned_abs() >= 10u128.pow(DIGITS_MAX) || scale > SCALE_MAX {
            return Err(DecimalError::TooLarge);
        }
        Ok(Self { mantissa: Mantissa::new(mantissa), scale })
    }

    pub fn from_int(value: i64) -> Self {
        Self { mantissa: Mantissa::new(i128::from(value)), scale: 0 }
    }

    pub fn mantissa(self) -> i128 {
        self.mantissa.get()
    }

    /// Digits after the point that are needed.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Digits before the point; 0 for 0.5.
    pub fn integer_digits(self) -> u32 {
        if let (Some(short), Some(by)) = (self.short(), 10u64.checked_pow(u32::from(self.scale))) {
            return (short.unsigned_abs() / by).checked_ilog10().map_or(0, |it| it + 1);
        }
        let whole = self.mantissa().unsigned_abs() / 10u128.pow(u32::from(self.scale));
        whole.checked_ilog10().map_or(0, |it| it + 1)
    }

    /// The mantissa where it is short, as it mostly is: 64 bits are far cheaper to reckon with.
    fn short(self) -> Option<i64> {
        let low = self.mantissa.low as i64;
        (self.mantissa.high == low >> 63).then_some(low)
    }

    fn of_short(mut mantissa: i64, mut scale: u8) -> Result<Self, DecimalError> {
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        if scale > SCALE_MAX {
            return Err(DecimalError::TooLarge);
        }
        Ok(Self { mantissa: Mantissa::new(i128::from(mantissa)), scale })
    }

    pub fn is_zero(self) -> bool {
        self.mantissa() == 0
    }

    /// The whole number that this is, when it is one and fits.
    pub fn to_int(self) -> Option<i64> {
        if self.scale == 0 { self.short() } else { None }
    }

    /// The nearest float, for systems that store floats.
    pub fn to_float(self) -> f64 {
        self.to_string().parse().expect("a decimal's text is a float's text")
    }

    /// Both mantissas at the larger scale.
    fn aligned(self, other: Self) -> Result<(i128, i128, u8), DecimalError> {
        let scale = self.scale.max(other.scale);
        let lift = |it: Self| {
            10i128
                .checked_pow(u32::from(scale - it.scale))
                .and_then(|by| it.mantissa().checked_mul(by))
                .ok_or(DecimalError::TooLarge)
        };
        Ok((lift(self)?, lift(other)?, scale))
    }

    pub fn checked_add(self, other: Self) -> Result<Self, DecimalError> {
        let (left, right, scale) = self.aligned(other)?;
        Self::new(left.checked_add(right).ok_or(DecimalError::TooLarge)?, scale)
    }

    pub fn negated(self) -> Self {
        Self { mantissa: Mantissa::new(-self.mantissa()), scale: self.scale }
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, DecimalError> {
        self.checked_add(other.negated())
    }

    pub fn checked_mul(self, other: Self) -> Result<Self, DecimalError> {
        if let (Some(left), Some(right)) = (self.short(), other.short())
            && let Some(product) = left.checked_mul(right)
        {
            return Self::of_short(product, self.scale + other.scale);
        }
        let product = self.mantissa().checked_mul(other.mantissa()).ok_or(DecimalError::TooLarge)?;
        let (mantissa, scale) = lowest_terms(product, u32::from(self.scale) + u32::from(other.scale));
        Self::new(mantissa, u8::try_from(scale).map_err(|_| DecimalError::TooLarge)?)
    }

    /// Exact where the quotient ends within 38 digits, else rounded half up at the last digit that fits.
    pub fn checked_div(self, other: Self) -> Result<Self, DecimalError> {
        if other.is_zero() {
            return Err(DecimalError::DivisionByZero);
        }
        let (mut rest, divisor, _) = self.aligned(other)?;
        let negative = (rest < 0) != (divisor < 0);
        let divisor = divisor.unsigned_abs();
        let mut quotient = rest.unsigned_abs() / divisor;
        rest = (rest.unsigned_abs() % divisor) as i128;
        let mut scale = 0u8;
        while rest != 0 && scale < SCALE_MAX && quotient < 10u128.pow(DIGITS_MAX - 1) {
            let Some(next) = rest.checked_mul(10) else { break };
            quotient = quotient * 10 + next as u128 / divisor;
            rest = (next as u128 % divisor) as i128;
            scale += 1;
        }
        if rest as u128 * 2 >= divisor {
            quotient += 1;
        }
        let quotient = i128::try_from(quotient).map_err(|_| DecimalError::TooLarge)?;
        Self::new(if negative { -quotient } else { quotient }, scale)
    }

    /// At most `scale` digits after the point.
    pub fn round(self, scale: u8, how: Rounding) -> Self {
        if self.scale <= scale {
            return self;
        }
        let by = 10i128.pow(u32::from(self.scale - scale));
        let (quotient, rest) = match (i64::try_from(self.mantissa()), i64::try_from(by)) {
            (Ok(short), Ok(by)) => (i128::from(short / by), i128::from(short % by)),
            _ => (self.mantissa() / by, self.mantissa() % by),
        };
        let up = match how {
            Rounding::HalfUp if rest.unsigned_abs() >= by.unsigned_abs() - rest.unsigned_abs() => rest.signum(),
            Rounding::Floor if rest < 0 => -1,
            Rounding::Ceil if rest > 0 => 1,
            _ => 0,
        };
        Self::new(quotient + up, scale).expect("rounding never adds digits beyond the ones it drops")
    }
}

/// Without zeros after the point that say nothing. Most numbers are short, and dividing them in 64 bits is far cheaper.
fn lowest_terms(mut mantissa: i128, mut scale: u32) -> (i128, u32) {
    if let Ok(mut short) = i64::try_from(mantissa) {
        while scale > 0 && short % 10 == 0 {
            short /= 10;
            scale -= 1;
        }
        return (i128::from(short), scale);
    }
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    (mantissa, scale)
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Ok((left, right, _)) => left.cmp(&right),
            // One of them is too large to be lifted to the other's scale: whole parts decide, then fractions.
            Err(_) => {
                let whole = |it: &Self| it.mantissa() / 10i128.pow(u32::from(it.scale));
                whole(self).cmp(&whole(other)).then_with(|| fraction(self).cmp(&fraction(other)))
            }
        }
    }
}

/// The part after the point, at full scale, signed.
fn fraction(it: &Decimal) -> i128 {
    let by = 10i128.pow(u32::from(it.scale));
    it.mantissa() % by * 10i128.pow(u32::from(SCALE_MAX - it.scale))
}

/// Digits, an optional point, an optional exponent. Never a float on the way.
impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if let Some(short) = short_number(text) {
            return Ok(short);
        }
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| DecimalError::NotANumber)?),
            None => (text, 0),
        };
        let (negative, digits) = match digits.as_bytes().first() {
            Some(b'-') => (true, &digits[1..]),
            Some(b'+') => (false, &digits[1..]),
            _ => (false, digits),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|it| it.is_ascii_digit()) {
            return Err(DecimalError::NotANumber);
        }
        let fraction = fraction.trim_end_matches('0');
        let mut mantissa = 0i128;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa =
                mantissa.checked_mul(10).and_then(|it| it.checked_add(i128::from(digit - b'0'))).ok_or(DecimalError::TooLarge)?;
        }
        let mut scale = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooLarge)?.saturating_sub(exponent);
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        if scale < 0 {
            let by = u32::try_from(-i64::from(scale)).ok().and_then(|it| 10i128.checked_pow(it)).ok_or(DecimalError::TooLarge)?;
            mantissa = mantissa.checked_mul(by).ok_or(DecimalError::TooLarge)?;
            scale = 0;
        }
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self::new(if negative { -mantissa } else { mantissa }, u8::try_from(scale).map_err(|_| DecimalError::TooLarge)?)
    }
}

/// A number without an exponent whose digits fit into 64 bits, as most do. `None`: it is not that simple, or no number.
fn short_number(text: &str) -> Option<Decimal> {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |it| (true, it));
    if digits.len() > SHORT_DIGITS_MAX {
        return None;
    }
    let (mut mantissa, mut point) = (0i64, None);
    for (at, byte) in digits.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    if digits.len() == usize::from(point.is_some()) {
        return None;
    }
    let scale = point.map_or(0, |at| digits.len() - 1 - at);
    Decimal::of_short(if is_negative { -mantissa } else { mantissa }, scale as u8).ok()
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(short) = self.short()
            && usize::from(self.scale) < SHORT_DIGITS_MAX
        {
            return show_short(out, short, usize::from(self.scale));
        }
        let digits = self.mantissa().unsigned_abs().to_string();
        let scale = self.scale as usize;
        if self.mantissa() < 0 {
            out.write_str("-")?;
        }
        if scale == 0 {
            return out.write_str(&digits);
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(out, "{whole}.{fraction}")
    }
}

/// From the last digit to the first, in one place.
fn show_short(out: &mut std::fmt::Formatter<'_>, mantissa: i64, scale: usize) -> std::fmt::Result {
    // A sign, a point, and the 19 digits of the longest mantissa.
    let mut shown = [0; 21];
    let mut at = shown.len();
    let mut put = |byte: u8| {
        at -= 1;
        shown[at] = byte;
    };
    let (mut left, mut digits) = (mantissa.unsigned_abs(), 0);
    while left > 0 || digits <= scale {
        if digits == scale && scale > 0 {
            put(b'.');
        }
        put(b'0' + (left % 10) as u8);
        left /= 10;
        digits += 1;
    }
    if mantissa < 0 {
        put(b'-');
    }
    out.write_str(std::str::from_utf8(&shown[at..]).expect("digits, a sign and a point are plain letters"))
}

impl std::fmt::Debug for Decimal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(mantissa in prop_oneof![any::<i64>().prop_map(i128::from), any::<i128>()], scale in 0..=SCALE_MAX) {
            if let Ok(number) = Decimal::new(mantissa, scale) {
                prop_assert_eq!(number.to_string().parse(), Ok(number));
            }
        }

        #[test]
        fn short_numbers_are_read_as_long_ones(text in "-?[0-9]{0,12}(\\.[0-9]{0,12})?") {
            // An exponent that says nothing takes the general way.
            prop_assert_eq!(text.parse::<Decimal>(), format!("{text}e0").parse::<Decimal>());
        }

        #[test]
        fn short_numbers_are_shown_by_their_digits(mantissa in any::<i64>(), scale in 0..25u8) {
            let number = Decimal::new(i128::from(mantissa), scale).expect("it has 38 digits at most");
            let (sign, digits) = (if mantissa < 0 { "-" } else { "" }, number.mantissa().unsigned_abs().to_string());
            let digits = format!("{digits:0>width$}", width = usize::from(number.scale()) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(number.scale()));
            let point = if fraction.is_empty() { "" } else { "." };
            prop_assert_eq!(number.to_string(), format!("{sign}{whole}{point}{fraction}"));
        }
    }
}
