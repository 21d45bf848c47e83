//! The fuzzer for `json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::json::check(bytes));
