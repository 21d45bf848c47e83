//! The fuzzer for `headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::headers::check(bytes));
