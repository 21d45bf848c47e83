//! The fuzzer for `decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::decode::check(bytes));
