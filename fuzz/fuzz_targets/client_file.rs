#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| padan_verification::fuzzing::client_file(data));
