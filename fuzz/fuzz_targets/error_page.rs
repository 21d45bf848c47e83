//! The fuzzer for `error_page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::error_page::check(bytes));
