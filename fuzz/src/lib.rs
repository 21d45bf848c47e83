//! What is thrown at the library, and what must hold whatever comes.
//!
//! Each module has a function `check` that takes any bytes and panics if something does not hold. A
//! fuzzer calls it with bytes of its own (`fuzz_targets/`), the tests with the files of `corpus/`.

pub mod accept;
pub mod decode;
pub mod error_page;
pub mod headers;
mod input;
pub mod json;
mod lua;
pub mod number;
pub mod sequence;
