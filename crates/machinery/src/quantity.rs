//! Resource quantities such as `100m`, `1.5Gi` and `1e3`: parsed, compared and written canonically, without floating point.
//!
//! The value is kept in billionths, the finest unit there is. No arithmetic: whoever adds quantities up does so on
//! [`Quantity::nanos`]. The rules are those of `k8s.io/apimachinery/pkg/api/resource`; the one difference is that a decimal
//! number beyond 1.7 × 10²⁹ is refused instead of kept.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const NANOS_PER_UNIT: i128 = 1_000_000_000;
/// Quantities with binary suffixes are capped here, 2⁶³ − 1 units.
const BINARY_MAX_UNITS: i128 = i64::MAX as i128;
/// Longer texts are refused before any work is done on them. The longest sensible ones have about 30 bytes.
const MAX_LENGTH: usize = 256;

const DECIMAL_SUFFIXES: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY_SUFFIXES: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// A resource quantity. Equality and order are by value; `Display` is the canonical form, with the kind of suffix that the
/// quantity was written with.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

/// The kind of suffix, kept so that `1Gi` does not come back as `1073741824`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Decimal,
    Exponent,
    Binary,
}

/// Why a text is not a quantity.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a number with an optional sign and suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// Not a number before the suffix.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// No such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// More than 1.7 × 10²⁹ units.
    #[error("quantity is too large")]
    TooLarge,
}

impl Quantity {
    /// The exact value in billionths (10⁻⁹) of the unit.
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    fn is_whole(self) -> bool {
        self.nanos % NANOS_PER_UNIT == 0
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    /// Values finer than a billionth are rounded up, away from zero: whoever asks for a little gets something.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(QuantityError::Format);
        }
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        if number.is_empty() || !suffix_is_well_formed(suffix) {
            return Err(QuantityError::Format);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || whole.len() + fraction.len() == 0 {
            return Err(QuantityError::Number);
        }
        let scale = Scale::of(suffix)?;
        let mut magnitude = scale.nanos(whole, fraction)?;
        if scale.notation == Notation::Binary {
            magnitude = magnitude.min(BINARY_MAX_UNITS * NANOS_PER_UNIT);
        }
        Ok(Quantity { nanos: if negative { -magnitude } else { magnitude }, notation: scale.notation })
    }
}

/// `[eEinumkKMGTP]*[-+]?[0-9]*`
fn suffix_is_well_formed(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    rest.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a suffix multiplies with: 2 to some power, or 10 to some power.
struct Scale {
    notation: Notation,
    binary: u32,
    decimal: i32,
}

impl Scale {
    fn of(suffix: &str) -> Result<Scale, QuantityError> {
        if let Some((_, decimal)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
            return Ok(Scale { notation: Notation::Decimal, binary: 0, decimal: *decimal });
        }
        if let Some((_, binary)) = BINARY_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
            return Ok(Scale { notation: Notation::Binary, binary: *binary, decimal: 0 });
        }
        let exponent = suffix.strip_prefix(['e', 'E']).and_then(|digits| digits.parse::<i32>().ok());
        let decimal = exponent.ok_or(QuantityError::Suffix)?;
        Ok(Scale { notation: Notation::Exponent, binary: 0, decimal })
    }

    /// `whole.fraction` times this scale in billionths, rounded up.
    ///
    /// The decimal point is moved in the text, so that only whole numbers are multiplied. The fraction is taken from its last
    /// digit to its first, `x ← (digit · m + x) / 10`: that is exact but for what the divisions leave, and whether they left
    /// anything decides about rounding. So any number of digits fits into 128 bits.
    fn nanos(&self, whole: &str, fraction: &str) -> Result<i128, QuantityError> {
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        if digits.iter().all(|digit| *digit == 0) {
            return Ok(0);
        }
        let point = i64::try_from(whole.len()).expect("bounded by MAX_LENGTH") + i64::from(self.decimal);
        let multiplier = (1_i128 << self.binary) * NANOS_PER_UNIT;
        let digit_at =
            |index: i64| usize::try_from(index).ok().and_then(|i| digits.get(i)).map_or(0, |d| i128::from(*d));
        let last = i64::try_from(digits.len()).expect("bounded by MAX_LENGTH");
        let first =
            i64::try_from(digits.iter().take_while(|digit| **digit == 0).count()).expect("bounded by MAX_LENGTH");
        // Further to the right than this, only "is there anything" matters; further to the left nothing fits.
        const REACH: i64 = 400;
        if point - first > 40 {
            return Err(QuantityError::TooLarge);
        }
        let mut units = 0_i128;
        for index in first.min(point)..point {
            units = units
                .checked_mul(10)
                .and_then(|units| units.checked_add(digit_at(index)))
                .ok_or(QuantityError::TooLarge)?;
        }
        let (mut part, mut inexact) = (0_i128, last - point > REACH);
        for index in (point..last.min(point + REACH)).rev() {
            let sum = digit_at(index) * multiplier + part;
            inexact |= sum % 10 != 0;
            part = sum / 10;
        }
        let nanos = units.checked_mul(multiplier).and_then(|nanos| nanos.checked_add(part + i128::from(inexact)));
        nanos.ok_or(QuantityError::TooLarge)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        // Below 1024, and where precision would be lost, binary suffixes would confuse more than they tell.
        let small = self.nanos.abs() < 1024 * NANOS_PER_UNIT;
        match self.notation {
            Notation::Binary if self.is_whole() && !small => write_binary(f, self.nanos / NANOS_PER_UNIT),
            Notation::Binary | Notation::Decimal => write_decimal(f, self.nanos),
            Notation::Exponent => write_exponent(f, self.nanos),
        }
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, mut units: i128) -> fmt::Result {
    let mut suffix = "";
    for (name, _) in BINARY_SUFFIXES {
        if units % 1024 != 0 {
            break;
        }
        units /= 1024;
        suffix = name;
    }
    write!(f, "{units}{suffix}")
}

/// The largest suffix that leaves no fraction.
fn write_decimal(f: &mut fmt::Formatter<'_>, mut nanos: i128) -> fmt::Result {
    let mut suffix = DECIMAL_SUFFIXES[0].0;
    for (name, _) in &DECIMAL_SUFFIXES[1..] {
        if nanos % 1000 != 0 {
            break;
        }
        nanos /= 1000;
        suffix = name;
    }
    write!(f, "{nanos}{suffix}")
}

fn write_exponent(f: &mut fmt::Formatter<'_>, mut nanos: i128) -> fmt::Result {
    let mut exponent = -9;
    while nanos % 1000 == 0 {
        nanos /= 1000;
        exponent += 3;
    }
    if exponent == 0 { write!(f, "{nanos}") } else { write!(f, "{nanos}e{exponent}") }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

#[cfg(test)]
mod tests;
