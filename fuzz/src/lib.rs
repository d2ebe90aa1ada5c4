//! What must hold for any input whatever, one module a target: `run` takes the bytes and panics where it doesn't.
//!
//! The fuzz targets call these, and so does `tests/fuzz_corpus`, with every file of the corpus: hence the `#[path]`
//! there, and nothing in here that only one of the two has.

#[cfg(feature = "server")]
pub mod configuration;
pub mod identities;
pub mod json;
pub mod proxy_header;
pub mod target;
pub mod token;
