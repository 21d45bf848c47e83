//! The fuzzer for `accept`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::accept::check(bytes));
