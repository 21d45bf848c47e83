//! The functions of an instance.

pub mod body;
mod delayed;
pub mod exit;
pub mod headers;
pub mod json;
mod pages;
pub mod source;
pub mod stream;
mod templates;
