//! Requests about one person that wait for each other, and how the log shows it.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use padan_test_service::Claim;

use crate::service::TestProgram;

const HOLD_ROWS: &str = "BEGIN; LOCK TABLE store.audit_event IN SHARE MODE; SELECT pg_sleep(0.3); COMMIT";

fn wait_until_rows_are_held(service: &TestProgram) {
    let held = "SELECT mode FROM pg_locks
                 WHERE relation = 'store.audit_event'::regclass AND mode = 'ShareLock' AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let began = Instant::now();
    while service.runtime.block_on(service.store.texts(held)).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "the rows of the audit trail are not held");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Integrators test with one person. None of their requests fails, so none is refused for failures.
#[test]
fn requests_for_one_person_wait_for_their_turn_in_the_order_in_which_they_came() {
    let service = TestProgram::with("[verification]\nfailed_faces = { most = 1, window_seconds = 900 }\n");
    let ended = Mutex::new(Vec::new());
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    thread::scope(|scope| {
        // The first request ends once its row is written. Until then all others arrive, on a fast machine too.
        scope.spawn(|| service.runtime.block_on(service.store.execute(HOLD_ROWS)));
        wait_until_rows_are_held(&service);
        for number in 0..10 {
            let (service, ended) = (&service, &ended);
            scope.spawn(move || {
                let answer = service.verify(&Claim::matching());
                assert_eq!(answer.reason_code, "VERIFIED");
                ended.lock().unwrap().push(number);
            });
            thread::sleep(Duration::from_millis(30));
        }
    });
    let ended = ended.into_inner().unwrap();
    assert!(ended.is_sorted(), "{ended:?}");
    let log = service.logged();
    let waited = log.lines().filter(|line| line.contains("turn=")).count();
    assert!(waited >= 5, "{waited} requests have logged the wait for their turn");
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_verification_step_duration_seconds_count{step=\"turn\"}"), "{metrics}");
}
