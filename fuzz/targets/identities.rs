//! See `rtms_gateway_fuzz::identities`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_gateway_fuzz::identities::run(input));
