//! Certificates, keys and authorities as they stand on disk: watched, and put in force when they change and are good.
//!
//! Files that are of use together only (a chain, its key, the authorities beside them) are read together, and what is
//! read replaces what is in force only as a whole. What can't be used changes nothing, whatever it is: half of a
//! write, a key without its certificate, no file at all. Listeners take a new certificate from here; an upstream is
//! replaced by one with the new files, which the room of reloads does.

mod contents;
mod expiry;
mod look;
mod shown;
mod watched;
mod watcher;

pub use contents::{Contents, Digest};
pub use expiry::Expiry;
pub use shown::{Board, Problem, Shown};
pub use watched::{Held, Holder};
pub use watcher::{Source, Watcher};
