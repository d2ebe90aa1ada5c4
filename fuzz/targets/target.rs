//! See `rtms_gateway_fuzz::target`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_gateway_fuzz::target::run(input));
