//! The apps and their secrets: from a document in the store to the entry that a request is judged by.
//!
//! [`document`] keeps the fields that matter, [`reading`] has the rules that turn them into a policy, and
//! [`snapshot`] holds all of them, by `_id` and by appId: it is what requests look at. The rooms behind the
//! `server` feature keep it current.

pub mod app;
pub mod doc_id;
pub mod document;
pub mod json;
pub mod key;
pub mod reading;
pub mod secrets;
pub mod snapshot;
mod table;

#[cfg(feature = "server")]
pub mod feed;
#[cfg(feature = "server")]
pub mod list;

pub use app::{App, Policy, SecretEncoding};
pub use doc_id::DocId;
pub use document::{Document, Value};
pub use reading::Fault;
pub use secrets::{Previous, Secrets};
pub use snapshot::{Applied, Apps, Counts, Held, Snapshot};
