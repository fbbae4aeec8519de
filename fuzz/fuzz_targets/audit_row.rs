#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| padan_store::fuzzing::audit_row(data));
