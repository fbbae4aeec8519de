#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| padan_openid_connect::fuzzing::id_token(data));
