//! Numbers as C's `%.16g` writes them.

use std::error::Error;
use std::fmt;
use std::io::Write as _;

use super::power::{EXACT, floor_log2, floor_log10_of_two_to, significand};

/// The number is NaN or infinite: JSON has no way to write it.
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
/// That is the value rounded to sixteen significant digits, halves to even, without trailing
/// zeros: with an exponent of at least two digits when that is below -4 or above 15, in plain
/// digits otherwise. Minus zero keeps its sign.
///
/// # Errors
///
/// [`NotFinite`] when `value` is NaN or infinite; `out` is left as it was.
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
        // The way to a signed integer and back is one instruction each.
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

const EIGHT_DIGITS: u64 = 100_000_000;
const SIXTEEN_DIGITS: u64 = 10_000_000_000_000_000;
const ASCII_ZEROS: u64 = 0x3030_3030_3030_3030;

/// Writes an integer below 10^16: all of its digits are significant.
#[inline]
fn write_integer(out: &mut Vec<u8>, negative: bool, value: u64) {
    if negative {
        out.push(b'-');
    }
    if value < EIGHT_DIGITS {
        write_leading(out, value);
    } else {
        write_leading(out, value / EIGHT_DIGITS);
        out.extend_from_slice(&ascii(spread(value % EIGHT_DIGITS)));
    }
}

/// Writes an integer below 10^8 without leading zeros.
#[inline]
fn write_leading(out: &mut Vec<u8>, value: u64) {
    let digits = spread(value);
    // The last digit counts even when it is zero.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    let end = out.len() + 8 - zeros as usize;
    // Eight bytes and a cut are one store; a slice as long as the digits would be a call.
    out.extend_from_slice(&ascii(digits >> (8 * zeros)));
    out.truncate(end);
}

/// Returns the eight decimal digits of `value`, one in each byte, the first in the lowest.
#[inline]
fn spread(value: u64) -> u64 {
    // Each step halves the lanes. Quotients by 100 and by 10 are multiplications that stay in their
    // lane and are exact for all that a lane can hold.
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = (fours * 10_486) >> 20 & 0x0000_007F_0000_007F;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = (twos * 103) >> 10 & 0x000F_000F_000F_000F;
    tens | (twos - tens * 10) << 8
}

#[inline]
fn ascii(digits: u64) -> [u8; 8] {
    (digits | ASCII_ZEROS).to_le_bytes()
}

/// Returns the sixteen significant digits of a positive finite `value` as an integer, and the
/// decimal exponent of the first; nothing if 128 bits of a power of ten are too few to round it.
#[inline]
fn sixteen_digits(value: f64) -> Option<(u64, i32)> {
    let bits = value.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (mantissa, unit) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let shift = mantissa.leading_zeros();
    let mantissa = u128::from(mantissa << shift);

    // 2^top <= value < 2^(top + 1), so the first guess is right or one too few.
    let top = unit + 63 - shift as i32;
    let mut exponent = floor_log10_of_two_to(top);
    loop {
        // The digits are the integer part of value * 10^power. The power is cut off to 128 bits and
        // the product to its first 128, so the true product is this or more, by less than 2.
        let power = 15 - exponent;
        let ten = significand(power);
        let product = mantissa * (ten >> 64) + ((mantissa * u128::from(ten as u64)) >> 64);
        let (high, low) = ((product >> 64) as u64, product as u64);
        // 9 to 14 bits of the high half are behind the point.
        let behind = (62 - top - floor_log2(power)) as u32;
        let digits = high >> behind;
        if digits >= SIXTEEN_DIGITS {
            exponent += 1;
            continue;
        }

        // The first 64 bits behind the point. What the product lacks is less than one unit of them,
        // so it matters only beside the half.
        const HALF: u64 = 1 << 63;
        let rest = high << (64 - behind) | low >> behind;
        let up = if rest != HALF && rest != HALF - 1 {
            rest > HALF
        } else if EXACT.contains(&power) {
            // Nothing is lacking, and no more than 57 bits are behind the point: a true half.
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

/// The same for every value, by the standard library: exact, halves to even, several times slower.
///
/// The tests look for the doubles that come nearest to halves and find none that needs it; there is
/// no proof of that.
#[cold]
fn sixteen_digits_slowly(value: f64) -> (u64, i32) {
    // "d.ddddddddddddddde-308"; zeros follow a shorter exponent.
    let mut text = [0; 24];
    write!(&mut text[..], "{value:.15e}").expect("22 bytes are enough for every double");

    let number = |text: &[u8]| {
        let digits = text.iter().filter(|byte| byte.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    };
    let exponent = number(&text[18..]) as i32;
    (number(&text[..17]), if text[18] == b'-' { -exponent } else { exponent })
}

/// Where a number is laid out, in whole words that reach up to byte 33, before it is cut to its
/// length, which is 23 at most.
const ROOM: usize = 40;

/// Writes sixteen digits, of which the first is not zero, in the layout of `%g`.
#[inline]
fn write_digits(out: &mut Vec<u8>, negative: bool, digits: u64, exponent: i32) {
    let low = u128::from(spread(digits / EIGHT_DIGITS));
    let digits = low | u128::from(spread(digits % EIGHT_DIGITS)) << 64;
    let significant = 16 - digits.leading_zeros() as usize / 8;
    let ascii = digits | u128::from(ASCII_ZEROS) << 64 | u128::from(ASCII_ZEROS);

    let start = out.len();
    out.extend_from_slice(&[b'0'; ROOM]);
    let text: &mut [u8; ROOM] =
        out[start..].first_chunk_mut().expect("as long as what was appended");
    text[0] = if negative { b'-' } else { b'0' };
    let first = usize::from(negative);

    let length = if (-4..0).contains(&exponent) {
        // The zeros are there already.
        let zeros = -exponent as usize;
        text[first + 1] = b'.';
        text[first + 1 + zeros..first + 17 + zeros].copy_from_slice(&ascii.to_le_bytes());
        first + 1 + zeros + significant
    } else {
        let scientific = !(0..16).contains(&exponent);
        let before_point = if scientific { 1 } else { exponent as usize + 1 };
        text[first..first + 16].copy_from_slice(&ascii.to_le_bytes());
        let mut length = first + before_point;
        if significant > before_point {
            let behind_point = ascii >> (8 * before_point);
            text[length] = b'.';
            text[length + 1..length + 17].copy_from_slice(&behind_point.to_le_bytes());
            length = first + significant + 1;
        }
        if scientific { write_exponent(text, length, exponent) } else { length }
    };
    out.truncate(start + length);
}

/// Writes the exponent at `at` and returns where it ends.
#[inline]
fn write_exponent(text: &mut [u8; ROOM], at: usize, exponent: i32) -> usize {
    text[at] = b'e';
    text[at + 1] = if exponent < 0 { b'-' } else { b'+' };
    let mut end = at + 2;
    let mut rest = exponent.unsigned_abs();
    if rest >= 100 {
        text[end] = b'0' + (rest / 100) as u8;
        rest %= 100;
        end += 1;
    }
    text[end] = b'0' + (rest / 10) as u8;
    text[end + 1] = b'0' + (rest % 10) as u8;
    end + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRACTION: u64 = (1 << 52) - 1;

    fn written(value: f64) -> String {
        let mut out = b"[".to_vec();
        write_number(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()[1..].to_owned()
    }

    /// `%.16g` from the standard library's exact digits, by way of strings.
    fn expected(value: f64) -> String {
        let scientific = format!("{value:.15e}");
        let (digits, exponent) = scientific.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", digits),
        };
        let trim = |text: &str| match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        };
        let digits = digits.replace('.', "");
        match exponent {
            -4..=-1 => {
                let zeros = "0".repeat(-exponent as usize - 1);
                trim(&format!("{sign}0.{zeros}{digits}"))
            }
            0..=15 => {
                let (whole, fraction) = digits.split_at(exponent as usize + 1);
                trim(&format!("{sign}{whole}.{fraction}"))
            }
            _ => {
                let mantissa = trim(&format!("{sign}{}.{}", &digits[..1], &digits[1..]));
                let direction = if exponent < 0 { '-' } else { '+' };
                format!("{mantissa}e{direction}{:02}", exponent.abs())
            }
        }
    }

    #[track_caller]
    fn check(value: f64) {
        if !value.is_finite() {
            return;
        }
        for value in [value, -value] {
            assert_eq!(written(value), expected(value), "{:#018x}", value.to_bits());
        }
    }

    /// Checks the doubles around a positive `value`.
    #[track_caller]
    fn check_around(value: f64, steps: u64) {
        let bits = value.to_bits();
        for bits in bits.saturating_sub(steps)..=bits + steps {
            check(f64::from_bits(bits));
        }
    }

    /// A generator of random bits that is the same in every run (splitmix64).
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ mixed >> 31
        }
    }

    #[test]
    fn writes_what_c_writes() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (1e15, "1000000000000000"),
            (1e16, "1e+16"),
            (12_345_678_901_234_567.0, "1.234567890123457e+16"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (9_999_999_999_999_998.0, "9999999999999998"),
            (-9_007_199_254_740_994.0, "-9007199254740994"),
            (0.1 + 0.2, "0.3"),
            (9.95, "9.949999999999999"),
            (2.0 / 3.0, "0.6666666666666666"),
            (100.5, "100.5"),
            (-1.5, "-1.5"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (0.000_012_34, "1.234e-05"),
            (1e15 + 0.5, "1000000000000000"),
            (999_999_999_999_999.9, "999999999999999.9"),
            (1e22, "1e+22"),
            (1e23, "9.999999999999999e+22"),
            (1e100, "1e+100"),
            (f64::MAX, "1.797693134862316e+308"),
            (f64::MIN_POSITIVE, "2.225073858507201e-308"),
            (5e-324, "4.940656458412465e-324"),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn refuses_what_is_not_finite() {
        for value in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut out = b"[".to_vec();
            assert_eq!(write_number(&mut out, value), Err(NotFinite));
            assert_eq!(out, b"[");
        }
    }

    #[test]
    fn writes_integers() {
        for value in 0..20_000 {
            check(f64::from(value));
        }
        for power in 0..17 {
            for around in -20..=20 {
                check((10_i64.pow(power) + around) as f64);
                check((9 * 10_i64.pow(power) + around) as f64);
            }
        }
        let mut random = Random(1);
        for _ in 0..20_000 {
            let bits = random.bits();
            check((bits >> (bits % 64)) as f64);
        }
    }

    #[test]
    fn spreads_all_that_a_lane_can_hold() {
        let four = |value: u64| {
            let digits = format!("{value:04}").into_bytes();
            digits.iter().rev().fold(0, |word, digit| word << 8 | u64::from(digit - b'0'))
        };
        for value in 0..10_000 {
            let other = 9_999 - value;
            assert_eq!(spread(value * 10_000 + other), four(value) | four(other) << 32);
        }
    }

    #[test]
    fn writes_powers_of_ten_and_their_neighbours() {
        for power in -324..=308 {
            for factor in [1, 2, 5, 9] {
                check_around(format!("{factor}e{power}").parse().unwrap(), 12);
            }
        }
        // Where the layout changes, and where rounding changes the exponent.
        for value in [1e-5, 1e-4, 0.1, 1.0, 1e15, 1e16] {
            check_around(value, 1000);
        }
    }

    #[test]
    fn writes_powers_of_two_and_their_neighbours() {
        for exponent in 0..2047 {
            check_around(f64::from_bits(exponent << 52), 12);
        }
        for shift in 0..52 {
            check_around(f64::from_bits(1 << shift), 12);
        }
    }

    #[test]
    fn writes_subnormal_numbers() {
        let mut random = Random(2);
        for _ in 0..20_000 {
            let bits = random.bits();
            check(f64::from_bits((bits & FRACTION) >> (bits >> 58)));
        }
    }

    #[test]
    fn writes_halves_and_short_decimals() {
        let mut random = Random(3);
        for _ in 0..20_000 {
            let bits = random.bits();
            let integer = (bits >> 12 >> (bits % 52)) as f64;
            check(integer + 0.5);
            check(integer + 0.125);
            check(integer / 100.0);
            check(integer / 1e6);
            check(integer * 1e-20);
        }
    }

    #[test]
    fn both_ways_to_sixteen_digits_agree() {
        let mut random = Random(6);
        for _ in 0..20_000 {
            let value = f64::from_bits(random.bits() >> 1);
            if value.is_finite() && value != 0.0 {
                let slowly = sixteen_digits_slowly(value);
                assert_eq!(sixteen_digits(value).unwrap_or(slowly), slowly, "{value:e}");
            }
        }
    }

    #[test]
    fn writes_random_bits() {
        let mut random = Random(4);
        for _ in 0..100_000 {
            check(f64::from_bits(random.bits()));
        }
    }

    #[test]
    fn rounds_true_halves_to_even() {
        // value * 10^power = odd / 2 needs value = odd / 5^power / 2^(power + 1); no power below 0
        // or above 23 leaves an odd number that a double holds.
        let mut random = Random(5);
        for power in 0..=23 {
            let five = 5_u64.pow(power);
            let (least, end) =
                (SIXTEEN_DIGITS / 5 / five, (2 * SIXTEEN_DIGITS / five).min(1 << 53));
            for _ in 0..500 {
                let odd = (least + random.bits() % (end - least)) | 1;
                let value = odd as f64 / 2_f64.powi(power as i32 + 1);
                if odd < end && odd > least {
                    assert_eq!(sixteen_digits(value).map(|known| known.0 % 2), Some(0));
                    check_around(value, 2);
                }
            }
        }
    }

    /// Returns the least x for which factor * x modulo `modulus` is in `low..=high`.
    fn first_in_range(factor: u128, modulus: u128, low: u128, high: u128) -> Option<u64> {
        if low == 0 {
            return Some(0);
        }
        if factor == 0 {
            return None;
        }
        let first = low.div_ceil(factor);
        if factor * first <= high {
            return u64::try_from(first).ok();
        }
        // No multiple before the first turn: how many turns there are is the same question, smaller.
        let negative = |value: u128| (factor - value % factor) % factor;
        let turns = first_in_range(modulus % factor, factor, negative(high), negative(low))?;
        // The product has too many bits, so the quotient is estimated and then put right.
        let estimate = modulus as f64 * turns as f64 / factor as f64;
        if estimate >= 2_f64.powi(62) {
            return None;
        }
        let mut quotient = estimate as u64;
        let turned = low.wrapping_add(modulus.wrapping_mul(turns.into()));
        let mut rest = turned.wrapping_sub(factor.wrapping_mul(quotient.into())) as i128;
        while rest > 0 {
            quotient += 1;
            rest -= factor as i128;
        }
        while rest <= -(factor as i128) {
            quotient -= 1;
            rest += factor as i128;
        }
        Some(quotient)
    }

    #[test]
    fn rounds_the_doubles_nearest_to_halves_and_to_ones() {
        const MODULUS: u128 = 1 << 120;
        let mut closest = f64::MAX;
        for biased in 1..2047 {
            let unit = biased - 1075;
            let guess = floor_log10_of_two_to(unit + 52);
            for power in [15 - guess, 14 - guess] {
                // What is behind the point of 2^unit * 10^power, in 120 bits.
                let shift = -(floor_log2(power) - 127 + unit) - 120;
                let factor = (significand(power) >> shift) % MODULUS;
                let least = factor.wrapping_mul(1 << 52) % MODULUS;
                for target in [0, MODULUS / 2] {
                    let mut found = None;
                    for bits in 40..=66 {
                        let width = MODULUS >> bits;
                        let low = (target + 2 * MODULUS - width - least) % MODULUS;
                        let high = (low + 2 * width).min(MODULUS - 1);
                        match first_in_range(factor, MODULUS, low, high) {
                            Some(steps) if steps < 1 << 52 => found = Some((steps, bits)),
                            _ => break,
                        }
                    }
                    let Some((steps, bits)) = found else { continue };
                    let value = f64::from_bits((biased as u64) << 52 | steps);
                    check_around(value, 1);
                    assert!(sixteen_digits(value).is_some(), "{value:e}");
                    // Where the table is exact there are true halves, found in another test.
                    if !EXACT.contains(&power) {
                        closest = closest.min(2_f64.powi(-bits));
                    }
                }
            }
        }
        // The search is worth its lines only if it finds what random numbers would not.
        assert!(closest <= 2_f64.powi(-62), "2^{}", closest.log2());
    }
}
