//! An upgrade without a refused connection: the listening sockets of a running process go to a new one.
//!
//! The new process (`run --upgrade`, [`receive`]) waits at `server.upgrade_socket`, the old one (SIGQUIT, [`Giver`])
//! connects there and sends what it listens on. Both hold the same sockets then, so that no connection is refused
//! whatever happens to either. The old one goes on serving until the new one says that it serves too ([`Opening`]);
//! if that ends without a word, nothing has happened.

mod give;
mod opening;
mod take;
mod wire;

pub use give::Giver;
pub use opening::{Gate, Opening, Seen, gate};
pub use take::{Inheritance, Predecessor, receive};
