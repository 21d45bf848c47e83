//! The checks of the fuzz targets.
//!
//! Each module has a function `check` that takes any bytes, calls the library with them, and panics
//! if a result is wrong. The fuzzers (`fuzz_targets/`) call it with their bytes, and the tests call
//! it with the files of `corpus/`.

pub mod accept;
pub mod decode;
pub mod error_page;
pub mod headers;
mod input;
pub mod json;
mod lua;
pub mod number;
pub mod sequence;
