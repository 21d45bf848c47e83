//! Compares `write_number` with the C library's `snprintf` over two million doubles.
//!
//! The doubles are the same in every run and come in families chosen to be hard.

// Calling C is the point of this test; the library that it tests has no unsafe code here.
#![allow(unsafe_code)]

use std::thread;

use kong_response::response::json::write_number;

const COUNT: u64 = 2_000_000;

/// A family makes the n-th of its doubles from n and from random bits.
type Family = fn(u64, &mut Random) -> f64;

const FAMILIES: &[(&str, Family)] = &[
    ("any bits", |_, random| f64::from_bits(random.bits())),
    ("integers of every length", |_, random| {
        let bits = random.bits();
        (bits >> (bits % 64)) as f64
    }),
    ("integers and halves, quarters, eighths", |n, random| {
        let integer = random.bits() >> 11 >> (random.bits() % 53);
        integer as f64 + [0.5, 0.25, 0.125, 0.75][n as usize % 4]
    }),
    ("neighbours of powers of ten", |n, random| {
        let digit = 1 + random.bits() % 9;
        neighbour(decimal(digit, n as i64 % 633 - 324), random)
    }),
    ("neighbours of powers of two", |n, random| {
        neighbour(f64::from_bits((n % 2047) << 52), random)
    }),
    ("subnormal", |_, random| {
        let bits = random.bits();
        f64::from_bits(bits >> 12 >> (bits % 52))
    }),
    ("true halves at the seventeenth digit, and their neighbours", |n, random| {
        // odd / 2^(power + 1) is half an odd number after power more digits.
        let power = n % 24;
        let five = 5_u64.pow(power as u32);
        let (least, end) =
            (2_000_000_000_000_000 / five, (20_000_000_000_000_000 / five).min(1 << 53));
        let odd = (least + random.bits() % (end - least)) | 1;
        let value = odd as f64 / 2_f64.powi(power as i32 + 1);
        if random.one_in(2) { value } else { neighbour(value, random) }
    }),
    ("seventeen digits that end in five", |_, random| {
        let digits = random.bits() % 900_000_000_000_000 + 100_000_000_000_000;
        decimal(digits * 100 + 5 + 10 * (random.bits() % 10), random.bits() as i64 % 290)
    }),
    ("nines, and next to them", |n, random| {
        let nines = 10_u64.pow(random.bits() as u32 % 18 + 1) - 1 - random.bits() % 2;
        neighbour(decimal(nines, n as i64 % 60 - 40), random)
    }),
    ("amounts and times", |n, random| {
        let integer = random.bits() >> 14 >> (random.bits() % 50);
        integer as f64 / [10.0, 100.0, 1e3, 1e6][n as usize % 4]
    }),
    ("fractions", |_, random| (random.bits() >> 11) as f64 / (1_u64 << 53) as f64),
    ("what arithmetic leaves behind", |n, random| {
        let third = (random.bits() % 1000) as f64 * 0.1 + (random.bits() % 1000) as f64 * 0.01;
        third * [1.0, 1e-3, 1e-7, 1e15][n as usize % 4]
    }),
    ("where the layout changes", |n, random| {
        neighbour([1e-5, 1e-4, 1e-3, 1.0, 1e14, 1e15, 1e16, 1e17][n as usize % 8], random)
    }),
];

/// splitmix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.bits().is_multiple_of(times)
    }
}

/// Returns a double that is a few, or a few thousand, away from a positive one.
fn neighbour(value: f64, random: &mut Random) -> f64 {
    let distance = random.bits();
    let distance = (distance >> 1) % (1 << (distance % 14));
    let away = if random.one_in(2) { distance } else { distance.wrapping_neg() };
    f64::from_bits(value.to_bits().wrapping_add(away))
}

/// Returns the double nearest to `digits` times ten to the `power`.
fn decimal(digits: u64, power: i64) -> f64 {
    format!("{digits}e{power}").parse().expect("digits, e and an integer are a number")
}

/// Writes `value` as C does and returns it without the zero at the end.
fn printed(value: f64, buffer: &mut [u8; 64]) -> &[u8] {
    // SAFETY: the pointer and the size are those of one buffer, the format is a C string, and its
    // only conversion takes the only argument, a double.
    let length = unsafe {
        libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), c"%.16g".as_ptr(), value)
    };
    &buffer[..usize::try_from(length).expect("snprintf reports no error")]
}

fn compare(name: &str, family: Family, seed: u64, count: u64) {
    let mut random = Random(seed);
    let mut buffer = [0; 64];
    let mut out = Vec::new();
    for n in 0..count {
        let value = family(n, &mut random);
        let value = if random.one_in(4) { -value } else { value };
        out.clear();
        if write_number(&mut out, value).is_err() {
            assert!(!value.is_finite(), "{name}: {value:e} is finite");
            continue;
        }
        let expected = printed(value, &mut buffer);
        assert!(
            out == expected,
            "{name}: {:#018x} is {:?}, not {:?}",
            value.to_bits(),
            String::from_utf8_lossy(expected),
            String::from_utf8_lossy(&out)
        );
    }
}

#[test]
fn writes_ten_million_doubles_as_the_c_library_does() {
    // Two halves of every family, so that two threads have the same to do.
    let count = COUNT.div_ceil(2 * FAMILIES.len() as u64);
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for (seed, (name, family)) in (1..).zip(FAMILIES) {
                    compare(name, *family, 2 * seed + half, count);
                }
            });
        }
    });
}
