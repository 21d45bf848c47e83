//! Numbers as C's `%.16g` writes them.

use std::error::Error;
use std::fmt;
use std::io::Write as _;

use super::power::{EXACT, floor_log2, floor_log10_of_two_to, significand};

/// The number is NaN or infinite, and has no JSON form.
///
/// # Examples
///
/// ```
/// use kong_response::response::json::NotFinite;
///
/// let message = "Cannot serialise number: must not be NaN or Infinity";
/// assert_eq!(NotFinite.to_string(), message);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite;

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cannot serialise number: must not be NaN or Infinity")
    }
}

impl Error for NotFinite {}

/// Appends `value` to `out` exactly as C's `printf("%.16g", value)` writes it.
///
/// The value is rounded to sixteen significant digits, halves to even, and has no trailing zeros. If the exponent is
/// below -4 or above 15, it is written with at least two digits. Minus zero keeps its sign.
///
/// # Errors
///
/// [`NotFinite`] if `value` is NaN or infinite. Then `out` does not change.
///
/// # Examples
///
/// ```
/// use kong_response::response::json::{NotFinite, write_number};
///
/// let mut out = Vec::new();
/// write_number(&mut out, 0.1 + 0.2)?;
/// out.push(b' ');
/// write_number(&mut out, 1e16)?;
/// assert_eq!(out, b"0.3 1e+16");
///
/// assert_eq!(write_number(&mut out, f64::NAN), Err(NotFinite));
/// assert_eq!(out, b"0.3 1e+16");
/// # Ok::<(), NotFinite>(())
/// ```
#[inline]
pub fn write_number(out: &mut Vec<u8>, value: f64) -> Result<(), NotFinite> {
    let magnitude = value.abs();
    if magnitude < 1e16 {
        // Each conversion, to a signed integer and back, is one instruction.
        let whole = magnitude as i64;
        if whole as f64 == magnitude {
            write_integer(out, value.is_sign_negative(), whole as u64);
            return Ok(());
        }
    } else if !value.is_finite() {
        return Err(NotFinite);
    }
    write_other(out, value);
    Ok(())
}

/// Writes a finite number that is not an integer below 10^16.
#[inline(never)]
fn write_other(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    let (digits, exponent) =
        sixteen_digits(magnitude).unwrap_or_else(|| sixteen_digits_slowly(magnitude));
    write_digits(out, value.is_sign_negative(), digits, exponent);
}

const SIXTEEN_DIGITS: u64 = 10_000_000_000_000_000;

/// Writes an integer below 10^16: all of its digits are significant.
#[inline]
fn write_integer(out: &mut Vec<u8>, negative: bool, value: u64) {
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Returns the sixteen significant digits of a positive finite `value` as an integer, and the decimal exponent of the
/// first digit. Returns `None` if 128 bits of a power of ten are not enough to round the value.
#[inline]
fn sixteen_digits(value: f64) -> Option<(u64, i32)> {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (mantissa, unit) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let shift = mantissa.leading_zeros();
    let mantissa = u128::from(mantissa << shift);

    // 2^top <= value < 2^(top + 1), so the first guess is right or one too small.
    let top = unit + 63 - shift as i32;
    let mut exponent = floor_log10_of_two_to(top);
    loop {
        // The digits are the integer part of value * 10^power. The power is truncated to 128 bits, and the product to
        // its first 128 bits. So the true product is larger by 0 to less than 2 units.
        let power = 15 - exponent;
        let ten = significand(power);
        let product = mantissa * (ten >> 64) + ((mantissa * u128::from(ten as u64)) >> 64);
        let (high, low) = ((product >> 64) as u64, product as u64);
        // 9 to 14 bits of the high half are after the binary point.
        let fraction_bits = (62 - top - floor_log2(power)) as u32;
        let digits = high >> fraction_bits;
        if digits >= SIXTEEN_DIGITS {
            exponent += 1;
            continue;
        }

        // The first 64 bits after the binary point. The error of the product is less than one unit of them, so it matters
        // only next to the half.
        const HALF: u64 = 1 << 63;
        let rest = high << (64 - fraction_bits) | low >> fraction_bits;
        let up = if rest != HALF && rest != HALF - 1 {
            rest > HALF
        } else if EXACT.contains(&power) {
            // The product is exact and has at most 57 bits after the binary point, so this is a true half.
            digits % 2 == 1
        } else {
            return None;
        };
        let digits = digits + u64::from(up);
        return Some(match digits {
            SIXTEEN_DIGITS => (SIXTEEN_DIGITS / 10, exponent + 1),
            _ => (digits, exponent),
        });
    }
}

/// The same for every value, with the standard library: exact, halves to even, several times slower.
///
/// The tests search the doubles that are nearest to halves, and find none that needs this function. That is no proof.
#[cold]
fn sixteen_digits_slowly(value: f64) -> (u64, i32) {
    // "d.ddddddddddddddde-308", with zeros after a shorter exponent.
    let mut text = [0; 24];
    write!(&mut text[..], "{value:.15e}").expect("22 bytes are enough for every double");

    let number = |text: &[u8]| {
        let digits = text.iter().filter(|byte| byte.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    };
    let exponent = number(&text[18..]) as i32;
    (number(&text[..17]), if text[18] == b'-' { -exponent } else { exponent })
}

/// Writes sixteen digits in the layout of `%g`. The first digit is not zero.
#[inline]
fn write_digits(out: &mut Vec<u8>, negative: bool, digits: u64, exponent: i32) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(digits).as_bytes();
    let significant = 1 + digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
    let digits = &digits[..significant];

    if negative {
        out.push(b'-');
    }
    if (-4..0).contains(&exponent) {
        const ZEROS: &[u8] = b"0.000";
        out.extend_from_slice(&ZEROS[..(1 - exponent) as usize]);
        out.extend_from_slice(digits);
        return;
    }
    let is_scientific = !(0..16).contains(&exponent);
    let before_point = if is_scientific { 1 } else { exponent as usize + 1 };
    match digits.split_at_checked(before_point) {
        Some((whole, [])) => out.extend_from_slice(whole),
        Some((whole, fraction)) => {
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        None => {
            out.extend_from_slice(digits);
            out.resize(out.len() + before_point - significant, b'0');
        }
    }
    if is_scientific {
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let exponent = exponent.unsigned_abs();
        if exponent < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
    }
}

#[cfg(test)]
mod tests;
