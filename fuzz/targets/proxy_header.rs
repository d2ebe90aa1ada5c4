//! See `rtms_gateway_fuzz::proxy_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_gateway_fuzz::proxy_header::run(input));
