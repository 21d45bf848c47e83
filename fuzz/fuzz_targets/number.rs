//! The fuzzer for `number`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kong_response_fuzz::number::check(bytes));
