use super::*;

const FRACTION: u64 = (1 << 52) - 1;

fn written(value: f64) -> String {
    let mut out = b"[".to_vec();
    write_number(&mut out, value).unwrap();
    String::from_utf8(out).unwrap()[1..].to_owned()
}

/// `%.16g`, made from the exact digits of the standard library as strings.
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
fn writes_powers_of_ten_and_their_neighbours() {
    for power in -324..=308 {
        for factor in [1, 2, 5, 9] {
            check_around(format!("{factor}e{power}").parse().unwrap(), 12);
        }
    }
    // The exponents at which the layout changes, and numbers whose exponent changes by rounding.
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
        let (least, end) = (SIXTEEN_DIGITS / 5 / five, (2 * SIXTEEN_DIGITS / five).min(1 << 53));
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

/// Returns the smallest x such that factor * x modulo `modulus` is in `low..=high`.
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
    // No multiple before the first overflow is in the range. The number of overflows is the solution of a smaller problem
    // of the same kind.
    let negative = |value: u128| (factor - value % factor) % factor;
    let turns = first_in_range(modulus % factor, factor, negative(high), negative(low))?;
    // The product has too many bits, so the quotient is estimated and then corrected.
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
            // The first 120 bits of 2^unit * 10^power after the binary point.
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
                // For exact powers of the table, another test checks the true halves.
                if !EXACT.contains(&power) {
                    closest = closest.min(2_f64.powi(-bits));
                }
            }
        }
    }
    // Random numbers would not find numbers as near to a half as these.
    assert!(closest <= 2_f64.powi(-62), "2^{}", closest.log2());
}
