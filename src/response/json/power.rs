//! A table of the powers of ten that scale a double, with 128 bits each.

use std::ops::RangeInclusive;

/// The powers whose significands have at most 54 bits and are exact.
///
/// Only these can scale a double to a true half, which is an odd number of halves from 2 * 10^15 to 2 * 10^16: no
/// such number has the factor 5^24, and five times such a number does not fit into a mantissa.
pub(super) const EXACT: RangeInclusive<i32> = 0..=23;

/// The minimum and the maximum power that scales a double to sixteen digits before the point.
const MIN_POWER: i32 = 15 - 308;
const MAX_POWER: i32 = 15 + 324;
const COUNT: usize = (MAX_POWER - MIN_POWER + 1) as usize;

/// The number of words of the big number that computes the table: 5^339 has 788 bits, and 2^831 / 5^293 still has the
/// 128 bits of an entry.
const WORDS: usize = 13;

// The compiler computes the table, because nobody can review a generated file of 633 rows.
static SIGNIFICANDS: [u128; COUNT] = significands();

/// Returns the first 128 bits of 10^`power`, truncated. The first bit is one.
///
/// The true power is at least `significand(p) * 2^(floor_log2(p) - 127)`, and less than the same with
/// `significand(p) + 1`.
#[inline]
pub(super) fn significand(power: i32) -> u128 {
    SIGNIFICANDS[(power - MIN_POWER) as usize]
}

/// Returns the largest `n` with 2^n <= 10^`power`, for each power of the table.
#[inline]
pub(super) fn floor_log2(power: i32) -> i32 {
    // log2(10) in 2^-32ths.
    ((i64::from(power) * 14_267_572_527) >> 32) as i32
}

/// Returns the largest `k` with 10^k <= 2^`power`, for each binary exponent of a double.
#[inline]
pub(super) fn floor_log10_of_two_to(power: i32) -> i32 {
    // log10(2) in 2^-32ths.
    ((i64::from(power) * 1_292_913_986) >> 32) as i32
}

// 10^n = 5^n * 2^n, and the factor 2^n changes no bits of the significand, so powers of five are enough.
const fn significands() -> [u128; COUNT] {
    let mut table = [0; COUNT];
    let zero = -MIN_POWER as usize;

    let mut five = [0; WORDS];
    five[0] = 1;
    let mut at = zero;
    while at < COUNT {
        table[at] = first_bits(&five);
        multiply_by_five(&mut five);
        at += 1;
    }

    // floor(floor(x / 5) / 5) is floor(x / 25), so repeated division adds no error.
    let mut fifth = [0; WORDS];
    fifth[WORDS - 1] = 1 << 63;
    let mut at = zero;
    while at > 0 {
        at -= 1;
        divide_by_five(&mut fifth);
        table[at] = first_bits(&fifth);
    }
    table
}

/// Returns the 128 bits that start with the first set bit. The least significant word comes first.
const fn first_bits(words: &[u64; WORDS]) -> u128 {
    let mut top = WORDS - 1;
    while words[top] == 0 {
        top -= 1;
    }
    let second = if top > 0 { words[top - 1] } else { 0 };
    let third = if top > 1 { words[top - 2] } else { 0 };
    let zeros = words[top].leading_zeros();
    let bits = ((words[top] as u128) << 64 | second as u128) << zeros;
    bits | (third as u128) << zeros >> 64
}

const fn multiply_by_five(words: &mut [u64; WORDS]) {
    let mut carry = 0;
    let mut at = 0;
    while at < WORDS {
        let product = words[at] as u128 * 5 + carry;
        words[at] = product as u64;
        carry = product >> 64;
        at += 1;
    }
}

const fn divide_by_five(words: &mut [u64; WORDS]) {
    let mut remainder = 0;
    let mut at = WORDS;
    while at > 0 {
        at -= 1;
        let dividend = remainder << 64 | words[at] as u128;
        words[at] = (dividend / 5) as u64;
        remainder = dividend % 5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_below_two_to_the_128_are_exact() {
        for power in 0..=38 {
            let exact = 10_u128.pow(power);
            assert_eq!(significand(power as i32), exact << exact.leading_zeros(), "10^{power}");
            assert_eq!(floor_log2(power as i32), 127 - exact.leading_zeros() as i32);
            let short = significand(power as i32).trailing_zeros() >= 128 - 54;
            assert_eq!(short, EXACT.contains(&(power as i32)), "10^{power}");
        }
    }

    #[test]
    fn each_power_is_ten_times_the_one_before() {
        for power in MIN_POWER..MAX_POWER {
            let (row, next) = (significand(power), significand(power + 1));
            let expected = match floor_log2(power + 1) - floor_log2(power) {
                3 => row + row / 4,
                4 => row / 2 + row / 8,
                steps => panic!("10^{power} to the next: {steps} binary places"),
            };
            assert!(next.abs_diff(expected) <= 3, "10^{power}: {next:x}, not {expected:x}");
        }
    }

    #[test]
    fn each_power_agrees_with_the_nearest_double() {
        for power in MIN_POWER..=308 {
            let double: f64 = format!("1e{power}").parse().unwrap();
            let exponent = (double.to_bits() >> 52) as i32 - 1023;
            // Rounded to 53 bits, halves to even. 10^23 is such a half.
            let (bits, rest) = (significand(power) >> 75, significand(power) << 53);
            let up = rest > 1 << 127 || rest == 1 << 127 && bits % 2 == 1;
            let mantissa = (double.to_bits() & ((1 << 52) - 1)) | 1 << 52;
            assert_eq!(bits as u64 + u64::from(up), mantissa, "10^{power}");
            assert_eq!(exponent, floor_log2(power), "10^{power}");
        }
    }

    #[test]
    fn logarithms_of_powers_of_two_are_exact() {
        for power in -1074..1024 {
            let double = if power < -1022 {
                f64::from_bits(1 << (power + 1074))
            } else {
                f64::from_bits(((power + 1023) as u64) << 52)
            };
            let shown = format!("{double:.30e}");
            let exponent: i32 = shown.split_once('e').unwrap().1.parse().unwrap();
            assert_eq!(floor_log10_of_two_to(power), exponent, "2^{power}");
        }
    }
}
