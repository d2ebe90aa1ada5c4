//! Looking at all bytes of a text at once.

/// Whether `is` holds for each byte. It looks at all of them, without an early end: where `is` has no branches either (`&`
/// and `|`, not `&&` and `||`), the compiler takes sixteen at a time.
pub fn all(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |so_far, byte| so_far & is(*byte))
}
