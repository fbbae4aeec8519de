//! `padan evaluate`, `calibrate` and `calibration show` on the sample people's photos.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use serde_json::Value;

use padan_testing::{Checkout, stderr, stdout};

use crate::checkout::checkout;

/// Writes list.csv, in which the person on a photo is the number that its file name begins with. Returns the number of
/// photos and of genuine pairs.
fn list_of_people(checkout: &Checkout) -> (usize, usize) {
    let mut photos: Vec<_> = fs::read_dir(checkout.path("people/images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    photos.sort();
    let mut list = "path,identity\n".to_owned();
    let mut persons: BTreeMap<&str, usize> = BTreeMap::new();
    for photo in &photos {
        let person = photo.split('_').next().unwrap();
        *persons.entry(person).or_default() += 1;
        writeln!(list, "people/images/{photo},{person}").unwrap();
    }
    fs::write(checkout.path("list.csv"), list).unwrap();
    let pairs_of_one = persons.values().map(|count| count * (count - 1) / 2).sum();
    (photos.len(), pairs_of_one)
}

#[test]
fn an_evaluation_prints_its_figures_and_writes_them_as_json_and_html() {
    let checkout = checkout();
    let (photos, pairs_of_one) = list_of_people(&checkout);
    let arguments =
        ["evaluate", "--identities", "list.csv", "--gates", "--out", "out", "--json", "figures.json"];
    let output = checkout.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("with the service's rules"), "{}", stdout(&output));

    let figures: Value = serde_json::from_slice(&fs::read(checkout.path("figures.json")).unwrap()).unwrap();
    let scores = figures["scores"].as_array().unwrap();
    let cosines = |same: bool| {
        let of_kind = scores.iter().filter(move |score| score["same"] == same);
        of_kind.map(|score| score["cosine"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (genuine, impostors) = (cosines(true), cosines(false));
    assert_eq!(genuine.len(), pairs_of_one);
    assert_eq!(
        genuine.len() + impostors.len(),
        photos * (photos - 1) / 2,
        "every pair is genuine or impostor"
    );
    assert_eq!(figures["pairs"], scores.len());
    assert_eq!(figures["model"], "sface");
    assert_eq!(figures["failures_to_acquire"].as_array().unwrap().len(), 0);
    assert!(figures["images_per_second"].as_f64().unwrap() > 0.0);
    for (rate, point) in figures["fnmr_at_fmr"].as_object().unwrap() {
        let (rate, cosine): (f64, _) = (rate.parse().unwrap(), point["cosine"].as_f64().unwrap());
        let reaching =
            impostors.iter().filter(|other| **other >= cosine).count() as f64 / impostors.len() as f64;
        assert!(reaching <= rate, "{reaching} of the impostors reach the cosine of {rate}");
        let missed = genuine.iter().filter(|other| **other < cosine).count() as f64 / genuine.len() as f64;
        assert!((missed - point["fnmr"].as_f64().unwrap()).abs() < 1e-12);
        assert!(point["low"].as_f64().unwrap() <= missed && missed <= point["high"].as_f64().unwrap());
    }
    assert!(figures["fnmr_at_fmr"].get("1e-6").is_none(), "too few pairs for one in a million");

    // No genuine pair of the twelve persons is missed: 1 - 0.025^(1/12), the limit of Clopper and Pearson.
    for mark in figures["marks"].as_array().unwrap() {
        assert_eq!((&mark["fnmr"]["value"], &mark["fnmr"]["low"]), (&0.0.into(), &0.0.into()));
        assert!((mark["fnmr"]["high"].as_f64().unwrap() - 0.264_648_469_397).abs() < 1e-9, "{mark}");
    }
    assert!(!stdout(&output).contains("(0.000 to 0.000)"), "{}", stdout(&output));
    // The precision that the processor is best at changes the rate a little.
    let mark = figures["marks"].as_array().unwrap().iter().find(|mark| mark["percentage"] == 75.0).unwrap();
    let cosine = mark["cosine"].as_f64().unwrap();
    let passing = impostors.iter().filter(|other| **other >= cosine).count() as f64 / impostors.len() as f64;
    let [rate, low, high] = ["value", "low", "high"].map(|part| mark["fmr"][part].as_f64().unwrap());
    assert!((passing - rate).abs() < 1e-12 && low < rate && rate < high, "{passing} {mark}");
    assert!((0.2..0.5).contains(&rate), "{rate}");
    let verdict = format!(
        "At 75 %, {:.0} % of the impostor pairs pass (95 %: {:.0} % to {:.0} %), and none of 72 genuine pairs is missed \
         (95 %: at most 26.5 %).",
        rate * 100.0,
        low * 100.0,
        high * 100.0
    );
    assert!(stdout(&output).starts_with(&verdict), "{}", stdout(&output));
    assert_eq!(figures["verdict"], verdict);

    let page = fs::read_to_string(checkout.path("out/report.html")).unwrap();
    assert!(page.contains("20 impostor pairs with the highest cosines"));
    let version = format!("by padan {}, from list.", env!("CARGO_PKG_VERSION"));
    let precision = format!("in {}.", figures["engine"]["precision"].as_str().unwrap());
    for part in [&verdict, &version, "Made on 20", &precision, "The point is the pass mark."] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert_eq!(page.matches("<table").count(), page.matches("<div class=\"wide\"><table").count());
    assert!(!page.contains("src=\"http") && !page.contains("href="), "the page needs no network");
    for plot in ["roc", "det", "scores", "percentage"] {
        let svg = fs::read_to_string(checkout.path(&format!("out/{plot}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && !svg.contains("-0.0") && !svg.contains("-0\n"), "{plot}");
        let says_why = svg.contains("No genuine pair is missed");
        assert!(if plot == "det" { says_why } else { svg.contains("<polyline") }, "{plot}");
        assert!(plot != "roc" || svg.contains("pass mark"), "{plot}");
    }
    let again = checkout.run(&["evaluate", "--identities", "list.csv", "--json", "again.json"]);
    assert_eq!(again.status.code(), Some(0));
    let again: Value = serde_json::from_slice(&fs::read(checkout.path("again.json")).unwrap()).unwrap();
    for key in ["accuracy", "auc", "eer", "fnmr_at_fmr", "scores", "marks"] {
        assert_eq!(again[key], figures[key], "{key} is the same each time");
    }
}

#[test]
fn folders_from_other_computers_give_right_persons_and_list_what_is_skipped() {
    let checkout = checkout();
    for (photo, target) in [
        ("101_s1", "budi.santoso/IMG_1.JPG"),
        ("101_s2", "budi.santoso/IMG_2.jfif"),
        ("118_s1", "budi.hartono/IMG_1.JPG"),
    ] {
        let target = checkout.path(&format!("photos/{target}"));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(checkout.path(&format!("people/images/{photo}.jpg")), target).unwrap();
    }
    for other in ["budi.santoso/._IMG_1.JPG", "__MACOSX/budi.santoso/._IMG_1.JPG", "budi.hartono/Thumbs.db"] {
        let other = checkout.path(&format!("photos/{other}"));
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::write(other, "not a photo").unwrap();
    }
    fs::write(checkout.path("photos/budi.hartono/broken.jpg"), "not a photo").unwrap();
    let output = checkout.run(&["evaluate", "--identities", "photos", "--json", "figures.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.contains("photos     4 of 2 persons"), "{shown}");
    assert!(shown.contains("skipped    3 files, 3 hidden or written by an operating system"), "{shown}");
    let listed = stderr(&output);
    for line in [
        "3 files were skipped:",
        "photos/__MACOSX/budi.santoso/._IMG_1.JPG: hidden",
        "photos/budi.hartono/Thumbs.db: hidden",
        "photos/budi.santoso/._IMG_1.JPG: hidden",
        "1 photos have no embedding and match nobody:",
        "photos/budi.hartono/broken.jpg: NEITHER_PNG_NOR_JPEG",
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    let figures: Value = serde_json::from_slice(&fs::read(checkout.path("figures.json")).unwrap()).unwrap();
    assert_eq!(figures["skipped"].as_array().unwrap().len(), 3);
    assert_eq!(figures["skipped"][0]["reason"], "system_file");
    let genuine = figures["scores"].as_array().unwrap().iter().filter(|score| score["same"] == true);
    assert_eq!(genuine.count(), 2, "one pair of each person");
}

#[test]
fn photos_without_a_face_are_listed_and_count_as_non_matches() {
    let checkout = checkout();
    let pairs = "path_a,path_b,same\npeople/images/101_id.jpg,no-photo.jpg,1\n\
                 people/images/101_id.jpg,people/images/101_s1.jpg,1\npeople/images/101_id.jpg,empty.jpg,0\n";
    fs::write(checkout.path("pairs.csv"), pairs).unwrap();
    fs::write(checkout.path("no-photo.jpg"), "not a photo").unwrap();
    fs::write(checkout.path("empty.jpg"), "").unwrap();
    let output = checkout.run(&["evaluate", "--pairs", "pairs.csv", "--root", ".", "--json", "figures.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let figures: Value = serde_json::from_slice(&fs::read(checkout.path("figures.json")).unwrap()).unwrap();
    let reasons: Vec<_> =
        figures["failures_to_acquire"].as_array().unwrap().iter().map(|f| &f["reason"]).collect();
    assert_eq!(reasons, ["NEITHER_PNG_NOR_JPEG", "NEITHER_PNG_NOR_JPEG"]);
    assert_eq!(figures["scores"][0]["cosine"], -1.0);
    assert_eq!(figures["scores"][0]["percentage"], 0.0);
    // Of the three pairs, the genuine pair with the failed photo is decided wrongly at every threshold.
    assert!((figures["accuracy"]["mean"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn a_file_that_cannot_be_read_ends_the_run_and_does_not_count_as_a_photo_without_a_face() {
    let checkout = checkout();
    // This file of Linux can be opened, but reading its first byte is an error.
    for (unreadable, expected) in [
        ("nowhere.jpg", "list.csv: line 3: nowhere.jpg does not exist"),
        ("/proc/self/mem", "/proc/self/mem: the file cannot be read: "),
    ] {
        let list = format!("path,identity\npeople/images/101_s1.jpg,budi\n{unreadable},ani\n");
        fs::write(checkout.path("list.csv"), list).unwrap();
        let output = checkout.run(&["evaluate", "--identities", "list.csv"]);
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn doubtful_labels_are_listed_and_counted() {
    let checkout = checkout();
    for (photo, target) in [
        ("101_s1", "budi/1.jpg"),
        ("101_s2", "budi/2.jpg"),
        ("101_s1", "budi/1 (1).jpg"),
        ("101_s1", "ani/1.jpg"),
        ("118_s1", "ani/2.jpg"),
    ] {
        let target = checkout.path(&format!("photos/{target}"));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(checkout.path(&format!("people/images/{photo}.jpg")), target).unwrap();
    }
    fs::write(checkout.path("wrong.csv"), "path,with,reason\nbudi/9.jpg,,another person\n").unwrap();
    let arguments = ["evaluate", "--identities", "photos", "--leave-out", "wrong.csv", "--out", "out"];
    let output = checkout.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (shown, listed) = (stdout(&output), stderr(&output));
    for line in [
        "photos     4 of 2 persons",
        "skipped    1 files, 1 a copy of another photo of the same person",
        "copies     1 photos with two labels",
        "no effect  1 exclusions",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    for line in [
        "photos/budi/1.jpg: a copy of another photo of the same person",
        "photos/budi/1 (1).jpg: a copy of photos/ani/1.jpg",
        "have no effect, because there are no such photos:\n  budi/9.jpg",
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    let page = fs::read_to_string(checkout.path("out/report.html")).unwrap();
    assert!(page.contains("Copies with different labels") && page.contains("Exclusions without effect"));
    assert!(!page.contains("Excluded because of wrong labels"), "nothing was excluded");
}

#[test]
fn a_folder_without_persons_lists_what_was_skipped_with_the_error() {
    let checkout = checkout();
    fs::create_dir(checkout.path("flat")).unwrap();
    fs::copy(checkout.path("people/images/101_s1.jpg"), checkout.path("flat/1.jpg")).unwrap();
    let output = checkout.run(&["evaluate", "--identities", "flat"]);
    assert_eq!(output.status.code(), Some(1));
    let listed = stderr(&output);
    assert!(listed.contains("1 files were skipped:\n  flat/1.jpg: not in a person's folder"), "{listed}");
    assert!(listed.contains("skipped: 1 files, 1 not in a person's folder"), "{listed}");
}

#[test]
fn unusable_labels_are_reported_before_any_photo_is_read() {
    let checkout = checkout();
    for (arguments, expected) in [
        (&["evaluate"][..], "--identities"),
        (&["evaluate", "--pairs", "pairs.csv"], "--root"),
        (&["evaluate", "--identities", "nowhere"], "nowhere cannot be read"),
        (&["evaluate", "--identities", "people", "--model", "arcface"], "arcface"),
    ] {
        let output = checkout.run(arguments);
        assert!(!output.status.success());
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_calibration_from_too_few_people_is_refused_and_the_built_in_one_is_shown() {
    let checkout = checkout();
    list_of_people(&checkout);
    let output = checkout.run(&["calibrate", "--identities", "list.csv", "--write", "new.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("requires 100000 pairs of two persons"), "{}", stderr(&output));
    assert!(!checkout.path("new.toml").exists());

    let output = checkout.run(&["calibration", "show"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    for part in ["the pass mark", "a false match rate of 1 in 100", "* extrapolated beyond the data", "utk"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
}
