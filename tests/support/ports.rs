//! Free ports for programs that can't be asked which one they took.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range that outgoing connections take theirs from, so that a free port stays free.
const FIRST: u32 = 18_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address on 127.0.0.1 that nobody listens on; each one is given out once by this process.
pub fn free() -> SocketAddr {
    // Test processes that run side by side start in different places.
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let at = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + at).expect("in range");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port on 127.0.0.1");
}
