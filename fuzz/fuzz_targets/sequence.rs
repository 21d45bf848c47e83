//! The fuzzer for `sequence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::sequence::check(bytes));
