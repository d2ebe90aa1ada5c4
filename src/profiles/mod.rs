//! The app profiles API: apps are listed, created, changed, rotated and deleted over HTTP, in the collection that the
//! gateways follow. Nothing takes effect here: a write goes to the database, and comes back to this gateway as to every
//! other, through the change stream.
//!
//! ```text
//!  client -> access -> http -> edit, change -> store -> MongoDB ~~> apps::feed -> snapshot
//!            who may   calls   what is to be   majority                            ^
//!                              written (pure)                 ?wait=applied -------+
//! ```
//!
//! Secrets go in, never out: [`profile`] is all that is shown of a document, and the audit log names fields, never
//! values.

pub mod access;
mod audit;
pub mod change;
pub mod edit;
pub mod http;
pub mod openapi;
pub mod profile;
pub mod rules;
pub mod serve;
pub mod store;

use std::fmt::Write as _;

pub use access::{Access, Digest, Scope};
pub use http::{Api, Running, router};

/// Bytes as hex digits.
fn hex<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
