#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| padan_http_api::fuzzing::request_head(data));
