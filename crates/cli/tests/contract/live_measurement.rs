//! What services count of their own error rates, and the commands that show it.

use std::{
    thread,
    time::{Duration, Instant},
};

use padan_inference::Catalogue;
use padan_test_service::{Claim, Photos, add};
use padan_testing::assert_documented;
use serde_json::Value;

use crate::service::TestProgram;

/// A service of enrolled people: two others than Budi, and one who has Budi's photo under another NIK.
pub(crate) fn enrolled(settings: &str) -> TestProgram {
    let service = TestProgram::with(settings);
    let portraits = ["118_id.jpg", "142_id.jpg", "101_id.jpg"];
    for (nik, portrait) in ["3174011403870001", "3174011403870002", "3174011403870003"].iter().zip(portraits)
    {
        service.runtime.block_on(add(&service.registry, nik, Photos::read(portrait)));
    }
    assert!(!service.command(&["enroll", "--failures", "/dev/null"]).stderr.is_empty());
    service
}

fn counted(service: &TestProgram, compared: &str) -> i64 {
    let query = format!(
        "SELECT coalesce(sum(count), 0)::text FROM store.live_similarity, unnest(counts) AS count
          WHERE compared = '{compared}'"
    );
    service.runtime.block_on(service.store.texts(&query))[0].parse().unwrap()
}

pub(crate) fn wait_for_genuine(service: &TestProgram, count: i64) {
    let began = Instant::now();
    while counted(service, "genuine") != count {
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{} instead of {count}",
            counted(service, "genuine")
        );
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn matching_requests_are_compared_with_other_people_and_the_counts_are_shown() {
    let service = enrolled("");
    // The reservoir was empty before the enrolment, and is drawn again within seconds.
    service.wait_for_metric("padan_impostor_reservoir_people", |people| people >= 4.0);
    for _ in 0..3 {
        assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    }
    // A name or date that differs: nobody knows whose face it is.
    service.verify(&Claim::matching().name("Somebody Else"));
    service.verify(&Claim::matching().date_of_birth("15-03-1987"));
    wait_for_genuine(&service, 3);
    let (by_probe, by_reference) =
        (counted(&service, "impostor_by_probe"), counted(&service, "impostor_by_reference"));
    assert_eq!(by_probe, by_reference);
    assert!(by_probe >= 3, "{by_probe}");
    // Budi's photo under another NIK is no impostor.
    service.wait_for_metric("padan_impostors_told_apart_total", |templates| templates >= 1.0);
    let shown: Value =
        serde_json::from_slice(&service.command(&["calibration", "live", "--json"]).stdout).unwrap();
    assert_documented("calibration live", &shown);
    assert_eq!((&shown["selfies"], &shown["comparisons"]), (&3.into(), &by_probe.into()));
    let pass = shown["points"].as_array().unwrap().iter().find(|point| point["percentage"] == 75.0).unwrap();
    // A comparison of Budi with himself, or with his photo under the other NIK, would be above the pass mark.
    assert_eq!(
        (pass["fmr"]["value"].as_f64(), pass["fnmr_estimate"]["value"].as_f64()),
        (Some(0.0), Some(0.0))
    );
    assert!((pass["stated_fmr"].as_f64().unwrap() - 1e-4).abs() < 2e-5, "{pass}");
    let text = String::from_utf8(service.command(&["calibration", "live"]).stdout).unwrap();
    assert!(text.contains("3 selfies whose name and date of birth match"), "{text}");
    assert!(text.contains("Too few comparisons for a scale of these people"), "{text}");
    let (_, scraped) = service.get_from_operators("/metrics");
    for line in ["padan_genuine_similarity_count", "padan_impostor_similarity_bucket"] {
        assert!(scraped.contains(line), "{line}: {scraped}");
    }
    let stated =
        scraped.lines().find(|line| line.starts_with("padan_scale_false_match_rate{percentage=\"75\"}"));
    assert!(stated.is_some(), "{scraped}");
    let refused = service.command(&["calibrate", "--from-live"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("requires 100000 pairs"));
}

#[test]
fn counts_survive_a_restart_and_add_up() {
    let mut service = enrolled("");
    service.verify(&Claim::matching());
    wait_for_genuine(&service, 1);
    service.kill();
    service.restart();
    service.verify(&Claim::matching());
    wait_for_genuine(&service, 2);
}

#[test]
fn nothing_is_measured_when_it_is_turned_off() {
    let service = enrolled("[verification]\nimpostor_sample = 0\n");
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    thread::sleep(Duration::from_secs(12));
    assert_eq!(counted(&service, "genuine"), 0);
    let (_, scraped) = service.get_from_operators("/metrics");
    assert!(scraped.contains("padan_impostor_reservoir_people 0"), "{scraped}");
}

/// Counts of all parts as of many requests: the rate of other people falls to a tenth each 0.08 of cosine, and selfies reach
/// 0.6 to 0.9 with their own portrait.
fn count_many(service: &TestProgram) {
    let catalogue = Catalogue::load(&[]).unwrap();
    let contract = catalogue.set("sface").unwrap().contract();
    let rate = |bin: &str| format!("power(10, -greatest(({bin} - 100) / 200.0, 0) / 0.08)");
    let impostors = format!("round(10000000 * ({} - {}))", rate("bin"), rate("bin + 1"));
    let counts = "CASE compared WHEN 'genuine' THEN CASE WHEN bin BETWEEN 220 AND 279 THEN 40 ELSE 0 END ELSE IMPOSTORS END";
    let statement = format!(
        "INSERT INTO store.live_similarity (day, contract_id, score, compared, part, counts)
         SELECT current_date, '{}', 'cosine', compared, part,
                ARRAY(SELECT ({})::bigint FROM generate_series(0, 299) AS bin ORDER BY bin)
           FROM unnest(ARRAY['genuine', 'impostor_by_probe', 'impostor_by_reference']) AS compared,
                generate_series(0, 31) AS part",
        contract.as_str(),
        counts.replace("IMPOSTORS", &impostors)
    );
    service.runtime.block_on(service.store.execute(&statement));
}

#[test]
fn a_scale_of_live_counts_is_made_and_activated() {
    let service = TestProgram::start();
    count_many(&service);
    let shown: Value =
        serde_json::from_slice(&service.command(&["calibration", "live", "--json"]).stdout).unwrap();
    assert_documented("calibration live", &shown);
    assert_eq!(shown["selfies"], 76_800);
    let point = |percentage: f64| {
        let points = shown["points"].as_array().unwrap();
        points.iter().find(|point| point["percentage"] == percentage).unwrap().clone()
    };
    // The shipped pass mark is at cosine 0.4265, where 10^-5.33 of these comparisons are.
    let fmr = point(75.0)["fmr"]["value"].as_f64().unwrap();
    assert!((fmr / 4.67e-6 - 1.0).abs() < 0.1, "{fmr}");
    let new = shown["new_pass_mark"]["cosine"].as_f64().unwrap();
    assert!((new - 0.32).abs() < 0.003, "{new}");
    let plot = service.folder().join("live.svg");
    let drawn = service.command(&["calibration", "live", "--plot", plot.to_str().unwrap()]);
    let text = String::from_utf8(drawn.stdout).unwrap();
    assert!(text.contains("0.00 % more would pass") || text.contains("0.00 % fewer would pass"), "{text}");
    // Two ends of the interval, the two curves and the dashes of two pass marks.
    let plot = std::fs::read_to_string(plot).unwrap();
    assert!(plot.starts_with("<svg") && plot.contains("false match rate"), "{plot}");
    let colours = ["#F0BE96", "#006BA4", "#C85200"].map(|colour| plot.matches(colour).count());
    assert!(colours[0] == 2 && colours[1] > 2 && colours[2] > 2, "{colours:?} {plot}");
    let file = service.folder().join("own.toml");
    let file = file.to_str().unwrap();
    let made = service.command(&["calibrate", "--from-live", "--days", "7", "--write", file]);
    assert!(made.status.success(), "{made:?}");
    let printed = String::from_utf8(made.stdout).unwrap();
    assert!(printed.contains("selfies with templates of other people"), "{printed}");
    let activated = service.command(&["calibration", "activate", file]);
    assert!(activated.status.success(), "{activated:?}");
    let shown: Value =
        serde_json::from_slice(&service.command(&["calibration", "show", "--json"]).stdout).unwrap();
    assert_documented("calibration show", &shown);
    let pass_mark = shown["pass_mark_cosine"].as_f64().unwrap();
    assert!(shown["active"] == true && (pass_mark - 0.32).abs() < 0.003, "{shown:#}");
}
