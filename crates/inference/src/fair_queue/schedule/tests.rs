use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;

const BANK: Caller = Caller(1);
const SHOP: Caller = Caller(2);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A schedule, and the moment for which it is asked.
struct Run {
    schedule: Schedule<&'static str>,
    now: Instant,
}

impl Run {
    fn new(capacity: usize, workers: usize) -> Self {
        Self { schedule: Schedule::new(capacity, workers), now: Instant::now() }
    }

    fn push(&mut self, caller: Caller, jobs: &[&'static str]) -> Vec<&'static str> {
        jobs.iter().filter_map(|job| self.schedule.push(caller, job, self.now)).collect()
    }

    fn begin(&mut self) -> Option<Begun<&'static str>> {
        self.schedule.begin(self.now)
    }

    fn end(&mut self, begun: &Begun<&'static str>, took: f64) {
        self.schedule.end(begun.caller, begun.terms, seconds(took));
    }

    /// Does one job after another, each of which takes as long as its caller's jobs do.
    fn order(&mut self, count: usize, took: impl Fn(Caller) -> f64) -> Vec<&'static str> {
        let mut order = Vec::new();
        for _ in 0..count {
            let begun = self.begin().unwrap();
            order.push(begun.job);
            let took = took(begun.caller);
            self.end(&begun, took);
        }
        order
    }

    /// Lets a caller do this many jobs of this length.
    fn known(&mut self, caller: Caller, took: f64) {
        for _ in 0..4 {
            self.push(caller, &["earlier"]);
            let begun = self.begin().unwrap();
            assert_eq!(begun.caller, caller);
            self.end(&begun, took);
        }
    }
}

fn names(begun: &[Option<Begun<&'static str>>]) -> Vec<Option<&'static str>> {
    begun.iter().map(|begun| begun.as_ref().map(|begun| begun.job)).collect()
}

#[test]
fn the_caller_that_used_less_time_goes_first_and_its_jobs_keep_their_order() {
    let mut run = Run::new(9, 1);
    run.push(BANK, &["b1", "b2", "b3"]);
    run.push(SHOP, &["s1", "s2", "s3", "s4", "s5"]);
    // After b1 the bank has used 2 s, and the shop catches up: 0.6, 1.2, 1.8, 2.4.
    let took = |caller| if caller == BANK { 2.0 } else { 0.6 };
    assert_eq!(run.order(8, took), ["b1", "s1", "s2", "s3", "s4", "b2", "s5", "b3"]);
}

#[test]
fn a_caller_that_comes_late_is_served_before_those_who_fill_the_queue() {
    let mut run = Run::new(9, 1);
    run.push(BANK, &["b1", "b2", "b3", "b4", "b5"]);
    assert_eq!(run.order(3, |_| 2.0), ["b1", "b2", "b3"]);
    let fourth = run.begin().unwrap();
    run.push(SHOP, &["s1", "s2"]);
    run.end(&fourth, 2.0);
    assert_eq!(run.order(3, |_| 0.1), ["s1", "s2", "b5"]);
}

#[test]
fn a_pause_gives_no_credit() {
    let mut run = Run::new(100, 1);
    run.known(SHOP, 0.1);
    run.known(BANK, 9.5);
    run.now += seconds(3600.0);
    run.push(BANK, &["b1", "b2", "b3"]);
    assert_eq!(run.order(1, |_| 9.5), ["b1"]);
    // The bank is 9.5 s ahead now, and not 47 s: ten jobs of the shop exceed that.
    run.push(SHOP, &["s"; 60]);
    let next = run.order(12, |caller| if caller == SHOP { 1.0 } else { 9.5 });
    assert_eq!(next, ["s", "s", "s", "s", "s", "s", "s", "s", "s", "s", "b2", "s"]);
}

#[test]
fn callers_get_equal_time_whatever_the_length_of_their_jobs() {
    let mut run = Run::new(10_000, 1);
    let callers = [(Caller(1), 0.02), (Caller(2), 0.3), (Caller(3), 2.5)];
    for (caller, _) in callers {
        run.push(caller, &vec!["job"; 3000]);
    }
    let mut used = BTreeMap::<Caller, f64>::new();
    for _ in 0..2000 {
        let begun = run.begin().unwrap();
        let took = callers.into_iter().find(|(caller, _)| *caller == begun.caller).unwrap().1;
        *used.entry(begun.caller).or_default() += took;
        run.end(&begun, took);
    }
    let (least, most) = used.values().fold((f64::MAX, 0.0_f64), |(a, b), used| (a.min(*used), b.max(*used)));
    assert!(most - least <= 2.5 + 1e-9 && least > 30.0, "{used:?}");
}

#[test]
fn a_full_queue_displaces_the_latest_job_of_whoever_has_the_most() {
    let mut run = Run::new(4, 1);
    assert_eq!(run.push(BANK, &["b1", "b2", "b3", "b4"]), [""; 0], "a caller alone may use it all");
    assert_eq!(run.push(BANK, &["b5"]), ["b5"]);
    assert_eq!(run.push(SHOP, &["s1"]), ["b4"]);
    assert_eq!(run.push(SHOP, &["s2"]), ["b3"]);
    assert_eq!(run.push(SHOP, &["s3"]), ["s3"], "it would have more than its half");
    assert_eq!(run.push(BANK, &["b6"]), ["b6"]);
    assert_eq!(run.push(Caller(3), &["c1"]).len(), 1);
    assert_eq!((run.schedule.queued(), run.schedule.capacity()), (4, 4));
}

#[test]
fn slow_jobs_leave_one_worker_to_other_active_callers() {
    let mut run = Run::new(9, 3);
    run.known(BANK, 2.5);
    run.known(SHOP, 0.05);
    run.push(BANK, &["b1", "b2", "b3", "b4"]);
    let begun = [run.begin(), run.begin(), run.begin()];
    assert_eq!(names(&begun), [Some("b1"), Some("b2"), None]);
    run.push(SHOP, &["s1", "s2"]);
    let quick = run.begin().unwrap();
    assert_eq!(quick.job, "s1");
    run.end(&quick, 0.05);
    assert_eq!(run.begin().unwrap().job, "s2");
    let [first, ..] = begun;
    run.end(&first.unwrap(), 2.5);
    assert_eq!(names(&[run.begin(), run.begin()]), [Some("b3"), None]);
    run.now += ACTIVE;
    assert_eq!(names(&[run.begin()]), [None], "the shop has a job in work");
}

#[test]
fn slow_jobs_use_all_workers_when_nobody_else_was_active_lately() {
    let mut run = Run::new(9, 2);
    run.known(SHOP, 0.05);
    run.known(BANK, 2.5);
    run.push(BANK, &["b1", "b2", "b3"]);
    let first = run.begin();
    assert_eq!(names(&[first, run.begin()]), [Some("b1"), None]);
    run.now += ACTIVE;
    assert_eq!(names(&[run.begin()]), [Some("b2")]);
    let mut alone = Run::new(9, 1);
    alone.known(SHOP, 0.05);
    alone.known(BANK, 2.5);
    alone.push(BANK, &["b1"]);
    assert_eq!(names(&[alone.begin()]), [Some("b1")], "a single worker serves everybody");
}

#[test]
fn a_photo_that_is_found_to_be_slow_waits_whatever_its_caller_sent_before() {
    let mut run = Run::new(9, 2);
    run.known(SHOP, 0.05);
    run.known(BANK, 0.05);
    run.push(BANK, &["b1", "b2", "b3"]);
    let found = run.begin().unwrap();
    run.schedule.defer(found);
    assert_eq!(run.schedule.queued(), 3);
    let first = run.begin().unwrap();
    assert_eq!((first.job, first.terms.is_slow), ("b1", true));
    let found = run.begin().unwrap();
    assert_eq!(found.job, "b2");
    run.schedule.defer(found);
    // b3 keeps its place behind b2.
    assert_eq!(names(&[run.begin()]), [None]);
    run.push(SHOP, &["s1"]);
    let quick = run.begin().unwrap();
    assert_eq!(quick.job, "s1");
    run.end(&quick, 0.05);
    run.end(&first, 0.9);
    assert_eq!(names(&[run.begin(), run.begin()]), [Some("b2"), None]);
}

#[test]
fn an_unknown_caller_has_one_job_in_work_while_others_are_active() {
    let mut run = Run::new(9, 4);
    run.known(SHOP, 0.05);
    run.push(BANK, &["b1", "b2", "b3"]);
    let first = run.begin();
    assert_eq!(names(&[run.begin()]), [None]);
    // A job that ends at once shows nothing about the next one.
    run.end(&first.unwrap(), 0.000_01);
    let second = run.begin();
    assert_eq!(names(&[second, run.begin()]), [Some("b2"), None]);
    let mut alone = Run::new(9, 4);
    alone.push(BANK, &["b1", "b2"]);
    assert_eq!(names(&[alone.begin(), alone.begin()]), [Some("b1"), Some("b2")]);
}

#[test]
fn short_jobs_between_slow_ones_do_not_hide_them() {
    let mut past = Past::default();
    assert_eq!(past.pace(), Pace::Unknown);
    for _ in 0..10 {
        past.add(2.5);
        for _ in 0..20 {
            past.add(0.03);
        }
        assert_eq!(past.pace(), Pace::Slow);
    }
    let mut usual = Past::default();
    for _ in 0..10 {
        for _ in 0..20 {
            usual.add(0.04);
        }
        assert_eq!(usual.pace(), Pace::Quick);
        // A progressive photo of 12 megapixels, now and then.
        usual.add(0.45);
        assert_eq!(usual.pace(), Pace::Quick);
    }
}

#[test]
fn callers_who_left_are_forgotten_unless_they_are_ahead() {
    let mut run = Run::new(100, 1);
    for number in 0..50 {
        run.push(Caller(100 + number), &["job"]);
    }
    run.order(50, |caller| if caller == Caller(149) { 60.0 } else { 0.1 });
    run.now += ACTIVE;
    run.push(SHOP, &["s"]);
    let known: BTreeSet<_> = run.schedule.accounts.keys().copied().collect();
    assert!(known.contains(&SHOP) && known.contains(&Caller(149)), "{known:?}");
    run.order(1, |_| 100.0);
    run.push(SHOP, &["s"]);
    run.order(1, |_| 0.1);
    run.push(SHOP, &["s"]);
    assert_eq!(run.schedule.accounts.len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Push(u64),
    Begin,
    Defer,
    End(f64),
}

proptest! {
    #[test]
    fn no_job_is_lost_repeated_or_overtaken_by_its_own_caller(
        steps in vec(prop_oneof![
            (0..4_u64).prop_map(Step::Push),
            Just(Step::Begin),
            Just(Step::Defer),
            (0.0..3.0).prop_map(Step::End),
        ], 1..300),
        capacity in 1..8_usize,
        workers in 1..5_usize,
    ) {
        let now = Instant::now();
        let mut schedule = Schedule::new(capacity, workers);
        let (mut pushed, mut left, mut running) = (0_usize, 0_usize, Vec::new());
        let mut last_begun = BTreeMap::new();
        for step in steps {
            match step {
                Step::Push(caller) => {
                    left += usize::from(schedule.push(Caller(caller), pushed, now).is_some());
                    pushed += 1;
                }
                Step::Begin if running.len() < workers => {
                    if let Some(begun) = schedule.begin(now) {
                        let previous = last_begun.insert(begun.caller, begun.job);
                        prop_assert!(previous.is_none_or(|previous| previous < begun.job));
                        running.push(begun);
                        left += 1;
                    } else {
                        prop_assert!(schedule.queued() == 0 || !running.is_empty(), "idle workers and waiting jobs");
                    }
                }
                Step::Begin => {}
                Step::Defer => if let Some(begun) = running.pop_if(|begun: &mut Begun<_>| !begun.terms.is_slow) {
                    // It is its caller's next job again only if the caller has no later one in work.
                    if last_begun.get(&begun.caller) == Some(&begun.job) {
                        last_begun.remove(&begun.caller);
                        left -= 1;
                        schedule.defer(begun);
                    } else {
                        running.push(begun);
                    }
                },
                Step::End(took) => if let Some(begun) = running.pop() {
                    schedule.end(begun.caller, begun.terms, seconds(took));
                },
            }
            prop_assert_eq!(schedule.queued(), pushed - left);
            prop_assert!(schedule.queued() <= capacity + workers);
        }
        prop_assert_eq!(schedule.drain().len(), pushed - left);
    }
}
